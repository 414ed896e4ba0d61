//! A step that graphs take up by its name.

use stepcast::prelude::*;

#[event]
#[derive(PartialEq)]
pub(crate) struct Issue {
    pub(crate) title: String,
}

#[event]
pub(crate) struct Triage {
    severity: String,
    title: String,
}

#[step]
pub(crate) async fn triage_issue(issue: Issue) -> Result<Triage> {
    let severity = if issue.title.contains("crash") { "critical" } else { "low" };
    Ok(Triage { severity: severity.to_owned(), title: issue.title })
}
