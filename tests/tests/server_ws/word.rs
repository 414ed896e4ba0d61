//! What a socket has for its runs: answers, events, cancellations.

use super::*;

#[tokio::test]
async fn a_question_is_answered_on_the_socket_that_follows_its_run() {
    bounded(async {
        for served in both().await {
            let run = served.start("approval", json!({ "text": "Helo" })).await;
            let mut client = Client::connect(&served, &format!("/runs/{run}/ws")).await;
            let attached = client.next().await;
            assert_eq!((&attached["op"], &attached["run_id"]), (&json!("attached"), &json!(run)));
            let asked = client.next().await;
            assert_eq!((&asked["type"], &asked["seq"]), (&json!("ApprovalNeeded"), &json!(1)));
            // Requests that name no run are about that of the path.
            let inputs = client.ask(json!({ "op": "inputs", "id": "i" })).await;
            assert_eq!(inputs["op"], "inputs");
            let input = inputs["inputs"][0].clone();
            assert_eq!(input["id"], format!("{run}/{}", input["input"]));
            let wrong = json!({ "op": "answer", "id": "w", "input": input["input"], "response": { "approved": 1 } });
            refused(&client.ask(wrong).await, 422, "answer_does_not_fit", Some("w"));
            let no = json!({ "approved": false, "comment": "again" });
            let answer = json!({ "op": "answer", "id": "n", "input": input["input"], "response": no, "by": "ada" });
            let answered = client.ask(answer.clone()).await;
            assert_eq!((&answered["op"], &answered["id"]), (&json!("answered"), &json!("n")), "{answered}");
            assert_eq!((&answered["input"]["by"], &answered["input"]["response"]), (&json!("ada"), &no));
            let again = client.ask(answer).await;
            refused(&again, 409, "input_already_resolved", Some("n"));
            assert_eq!((&again["by"], &again["run_id"]), (&json!("ada"), &json!(run)));

            // From another socket, by the question's id alone.
            let input = loop {
                let input = served.question(&run).await;
                if input["data"]["text"] == "Helo (again)" {
                    break input;
                }
            };
            let mut other = Client::connect(&served, "/ws").await;
            let answer = json!({ "op": "answer", "id": "y", "input": input["id"], "response": { "approved": true } });
            assert_eq!(other.ask(answer).await["op"], "answered");
            let (_, ended) = client.until("ended").await;
            assert_eq!(ended["run"]["result"]["value"], json!({ "text": "Helo (again)", "rounds": 2 }));
        }
    })
    .await;
}

#[tokio::test]
async fn of_two_sockets_that_race_for_an_answer_one_wins_and_is_named_to_the_other() {
    bounded(async {
        for served in both().await {
            let mut a = Client::connect(&served, "/ws").await;
            let mut b = Client::connect(&served, "/ws").await;
            for _ in 0..5 {
                let run = served.start("approval", json!({ "text": "Helo" })).await;
                let input = served.question(&run).await["id"].clone();
                let answer =
                    |by: &str| json!({ "op": "answer", "input": input, "response": { "approved": true }, "by": by });
                let (ra, rb) = tokio::join!(a.ask(answer("ada")), b.ask(answer("bob")));
                let (won, lost) = if ra["op"] == "answered" { (ra, rb) } else { (rb, ra) };
                assert_eq!(won["op"], "answered", "{won}");
                refused(&lost, 409, "input_already_resolved", None);
                assert_eq!((&lost["by"], &lost["at"]), (&won["input"]["by"], &won["input"]["resolved_at"]));
            }
        }
    })
    .await;
}

#[tokio::test]
async fn events_are_sent_and_runs_are_cancelled() {
    bounded(async {
        for served in both().await {
            let run = served.start("approval", json!({ "text": "a" })).await;
            served.question(&run).await;
            let mut client = Client::connect(&served, "/ws").await;
            let event = json!({ "type": "Approval", "value": { "approved": false, "comment": "b" } });
            for _ in 0..2 {
                let frame = json!({ "op": "event", "id": "e", "run_id": run, "event": event, "event_id": "once" });
                assert_eq!(client.ask(frame).await, json!({ "op": "sent", "id": "e", "run_id": run }));
            }
            while served.question(&run).await["data"]["text"] != "a (b)" {}
            assert_eq!(
                client.ask(json!({ "op": "cancel", "run_id": run })).await,
                json!({ "op": "cancelled", "run_id": run })
            );
            let ended = served.until(&run, "cancelled").await;
            assert_eq!(ended["status"], "cancelled");
            refused(
                &client.ask(json!({ "op": "cancel", "id": "c", "run_id": run })).await,
                409,
                "run_ended",
                Some("c"),
            );
            let late = json!({ "op": "event", "id": "l", "run_id": run, "event": event });
            refused(&client.ask(late).await, 409, "run_ended", Some("l"));
        }
    })
    .await;
}
