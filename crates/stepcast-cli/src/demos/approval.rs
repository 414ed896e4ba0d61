//! A person decides; after a refusal the text is changed and the person asked again.

use stepcast::prelude::*;

/// What is to be published.
#[event(start)]
pub(crate) struct Article {
    #[serde(default = "release_notes")]
    text: String,
}

#[event]
pub(crate) struct Draft {
    text: String,
    version: u32,
}

/// The question.
#[event(input_required)]
pub(crate) struct Review {
    prompt: String,
    version: u32,
}

/// The answer.
#[event(human_response)]
pub(crate) struct Verdict {
    approved: bool,
    /// What to change.
    comment: Option<String>,
}

#[event(stop)]
pub(crate) struct Published {
    text: String,
    version: u32,
}

fn release_notes() -> String {
    "Release notes".to_owned()
}

#[step]
async fn write(article: Article) -> Draft {
    Draft { text: article.text, version: 1 }
}

/// Waits as long as it takes, for an answer from any process.
#[step(waits(Verdict))]
async fn review(draft: Draft, ctx: Context) -> Result<Either<Draft, Published>> {
    let Draft { text, version } = draft;
    let question = Review { prompt: format!("Publish {text:?}?"), version };
    let verdict = ctx.wait_for_event::<Verdict>().announce(question).await?;
    if verdict.approved {
        return Ok(Either::Right(Published { text, version }));
    }
    let comment = verdict.comment.unwrap_or_else(|| "revised".to_owned());
    Ok(Either::Left(Draft { text: format!("{text} ({comment})"), version: version + 1 }))
}

flow!(
    /// Asks a person to approve a text, again after every refusal.
    Approval: Article => Published { write, review }, name = "approval"
);
