//! The graphs of a server: listed, read, put, checked, removed.

use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::client::Client;
use crate::error::RequestError;

/// A graph in a list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct GraphInfo {
    /// Its name, which is that of a workflow too.
    pub id: String,
    /// Its name for people.
    #[serde(default)]
    pub name: Option<String>,
    /// The version that runs of this id begin with.
    pub version: u64,
    /// All versions that there are; each is the workflow `id@version` too.
    pub versions: Vec<u64>,
}

/// A version of a graph.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct RemoteGraph {
    /// Its name, its version, and which others there are.
    #[serde(flatten)]
    pub info: GraphInfo,
    /// What is strange about it.
    pub warnings: Vec<GraphIssue>,
    /// The document as it was put.
    pub document: Value,
}

/// A graph that is there now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PutGraph {
    /// Its name and its versions.
    pub info: GraphInfo,
    /// Whether this version was not there before.
    pub is_new: bool,
    /// What is strange about it.
    pub warnings: Vec<GraphIssue>,
}

/// Everything that a check found in a document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct GraphReport {
    /// Why no graph can be made of it.
    pub errors: Vec<GraphIssue>,
    /// What is strange about it.
    #[serde(default)]
    pub warnings: Vec<GraphIssue>,
}

/// One thing that is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct GraphIssue {
    /// What it is about, in a word that stays the same, as `unknown_step`.
    pub code: String,
    /// Where in the document: a JSON pointer, empty for the whole.
    pub pointer: String,
    /// What is wrong, for people.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl GraphReport {
    /// Whether a graph can be made of the document.
    pub fn is_ok(&self) -> bool {
        self.errors.is_empty()
    }
}

impl RequestError {
    /// What is wrong with a document that was refused for its errors (`graph_refused`).
    pub fn graph_report(&self) -> Option<GraphReport> {
        match self {
            RequestError::Refused { code, problem, .. } if code == "graph_refused" => {
                GraphReport::deserialize(&**problem).ok()
            }
            _ => None,
        }
    }
}

/// The server's graphs. A server without any has no such routes and refuses with `path_not_found`.
///
/// ```
/// # use serde_json::json;
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let client = stepcast_client::Client::new("http://localhost:8080")?;
/// let document = json!({ "steps": [{ "id": "say", "type": "function", "template": "Hello, {{input.name}}!" }] });
/// for issue in client.check_graph(&document).await?.errors {
///     println!("{}: {} {}", issue.pointer, issue.message, issue.hint);
/// }
/// let put = client.put_graph("hello", &document).await?;
/// println!("{} has the versions {:?}", put.info.id, put.info.versions);
/// let run = client.start_value("hello", json!({ "name": "Ada" }), Default::default()).await?;
/// println!("{}", run.ended().await?.status.name());
/// client.remove_graph("hello").await?;
/// # Ok(())
/// # }
/// ```
impl Client {
    /// All graphs, by name.
    ///
    /// # Errors
    /// When the server is not reached or has no graphs.
    pub async fn graphs(&self) -> Result<Vec<GraphInfo>, RequestError> {
        #[derive(Deserialize)]
        struct Graphs {
            graphs: Vec<GraphInfo>,
        }
        let found: Graphs = self.get("the list of graphs", &["graphs"], &[(); 0]).await?;
        Ok(found.graphs)
    }

    /// A graph with its document, in the version that its id stands for.
    ///
    /// # Errors
    /// When the server is not reached, has no such graph, or the token may not read documents.
    pub async fn graph(&self, id: &str) -> Result<RemoteGraph, RequestError> {
        self.get("a graph", &["graphs", id], &[(); 0]).await
    }

    /// One version of a graph.
    ///
    /// # Errors
    /// As for [`graph`](Self::graph), and when there is no such version.
    pub async fn graph_version(&self, id: &str, version: u64) -> Result<RemoteGraph, RequestError> {
        self.get("a graph", &["graphs", id], &[("version", version)]).await
    }

    /// Puts a graph, or a version of one, which its id stands for from now on. The document's `id`, if it has one, is this
    /// one. What is there word for word is no change.
    ///
    /// # Errors
    /// When the document has errors ([`RequestError::graph_report`]), the version is there and says something else
    /// (`graph_version_exists`), or a workflow has the name (`workflow_exists`).
    pub async fn put_graph(&self, id: &str, document: &Value) -> Result<PutGraph, RequestError> {
        #[derive(Deserialize)]
        struct Put {
            #[serde(flatten)]
            info: GraphInfo,
            warnings: Vec<GraphIssue>,
        }
        let response = self.send(self.request(Method::PUT, &["graphs", id]).json(document)).await?;
        let is_new = response.status().as_u16() == 201;
        let Put { info, warnings } = self.read("a graph", response).await?;
        Ok(PutGraph { info, is_new, warnings })
    }

    /// Checks a document as [`put_graph`](Self::put_graph) would, and changes nothing. A document with errors is no error
    /// here.
    ///
    /// # Errors
    /// When the server is not reached or the document is no object.
    pub async fn check_graph(&self, document: &Value) -> Result<GraphReport, RequestError> {
        self.post("a check of a graph", &["graphs", "validate"], document).await
    }

    /// Removes a graph with all its versions. No new runs of it begin; those that began go on.
    ///
    /// # Errors
    /// When the server is not reached or has no such graph.
    pub async fn remove_graph(&self, id: &str) -> Result<(), RequestError> {
        self.send(self.request(Method::DELETE, &["graphs", id])).await.map(drop)
    }
}
