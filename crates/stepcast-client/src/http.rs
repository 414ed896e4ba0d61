//! Requests and their answers.

use reqwest::header::{ACCEPT, HeaderMap};
use reqwest::{Method, RequestBuilder, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client::Client;
use crate::error::RequestError;

impl Client {
    /// A request of a path below the server's address. Each part is one segment, whatever characters it holds.
    pub(crate) fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let mut url = self.base().clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let request = self.http().request(method, url);
        match self.traces.headers() {
            None => request,
            Some(headers) => request.headers(headers),
        }
    }

    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        what: &'static str,
        path: &[&str],
        query: &(impl Serialize + ?Sized),
    ) -> Result<T, RequestError> {
        let response = self.send(self.request(Method::GET, path).query(query)).await?;
        self.read(what, response).await
    }

    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        what: &'static str,
        path: &[&str],
        body: &(impl Serialize + ?Sized),
    ) -> Result<T, RequestError> {
        let response = self.send(self.request(Method::POST, path).json(body)).await?;
        self.read(what, response).await
    }

    /// A response that is a success.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Response, RequestError> {
        let response = request.send().await.map_err(|source| self.transport(source))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.text().await.map_err(|source| self.transport(source))?;
        Err(RequestError::refused(status.as_u16(), &body))
    }

    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        what: &'static str,
        response: Response,
    ) -> Result<T, RequestError> {
        let body = response.bytes().await.map_err(|source| self.transport(source))?;
        serde_json::from_slice(&body).map_err(|source| RequestError::Answer { what, source })
    }

    pub(crate) fn transport(&self, source: reqwest::Error) -> RequestError {
        // The address may hold a password; the client's own form of it does not.
        RequestError::Transport { url: self.address(), source: source.without_url() }
    }
}

/// Asks for server-sent events.
pub(crate) fn wants_events(request: RequestBuilder) -> RequestBuilder {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, reqwest::header::HeaderValue::from_static("text/event-stream"));
    request.headers(headers)
}
