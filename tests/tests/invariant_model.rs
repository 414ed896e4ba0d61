//! The reducer against a slow model of it, over random workflows, orders and interruptions: every event is taken, kept,
//! collected or reported, every collector runs once per batch, and nothing of a batch is left when its work is done.

use stepcast_tests::{Driver, Model, Rng, What, for_seeds, random_graph};

#[test]
fn the_engine_does_what_the_model_does() {
    for_seeds(4_000, |seed| {
        let mut rng = Rng::new(seed);
        let graph = random_graph(&mut rng);
        let mut driver = Driver::new(&graph, seed, seed, None);
        let mut model = Model::new(&graph);
        driver.finish(|driver, act, commands| {
            model.apply(act);
            model.compare(&driver.state, commands);
        });
        assert_eq!(driver.outcomes.len(), 1);
    });
}

#[test]
fn the_model_holds_across_restores() {
    for_seeds(1_500, |seed| {
        let mut rng = Rng::new(seed);
        let graph = random_graph(&mut rng);
        let mut driver = Driver::new(&graph, seed, seed, None);
        let mut model = Model::new(&graph);
        while driver.outcomes.is_empty() {
            let act = driver.choose();
            let commands = driver.perform(&act);
            model.apply(&act);
            model.compare(&driver.state, &commands);
            if driver.outcomes.is_empty() && !matches!(act.what, What::Take(_)) && rng.percent(5) {
                driver = driver.restored(rng.number());
                model.restored();
                model.compare(&driver.state, &[]);
            }
        }
    });
}
