use std::path::PathBuf;

use serde::Deserialize;

use super::*;

#[derive(Debug, Deserialize, PartialEq)]
struct Model {
    name: String,
}

/// A file of its own per test, gone when the test is over.
struct File(PathBuf);

impl File {
    fn new(test: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("stepcast-{}-{test}.json", std::process::id()));
        std::fs::write(&path, text).unwrap();
        File(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

async fn load(file: impl Into<PathBuf>, selector: &str) -> Result<Arc<Model>, ResourceError> {
    one::<Model>(&Resources::new().json_file::<Model>(file, selector)).await
}

async fn refused(file: &File, selector: &str) -> ConfigFileError {
    match load(&file.0, selector).await {
        Err(ResourceError::Failed { source, .. }) => *source.downcast().unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_part_or_all_of_a_file_is_read_once() {
    let file = File::new("part", r#"{ "name": "whole", "llm": { "models": [{ "name": "part" }] } }"#);
    assert_eq!(load(&file.0, "llm.models.0").await.unwrap().name, "part");
    let resources = Resources::new().json_file::<Model>(&file.0, "");
    assert_eq!(one::<Model>(&resources).await.unwrap().name, "whole");
    std::fs::write(&file.0, "{}").unwrap();
    assert_eq!(one::<Model>(&resources).await.unwrap().name, "whole");
}

#[tokio::test]
async fn what_is_wrong_with_a_file_is_said_with_its_name_and_the_path() {
    let file = File::new("wrong", r#"{ "llm": { "name": 7 } }"#);
    let shape = refused(&file, "llm").await;
    assert!(matches!(shape, ConfigFileError::Shape { .. }));
    let text = shape.to_string();
    assert!(text.contains("wrong.json` has at `llm`") && text.contains("Model`: invalid type"), "{text}");

    let nothing = refused(&file, "llm.models.0").await;
    assert!(matches!(&nothing, ConfigFileError::NothingThere { selector, .. } if selector == "llm.models.0"));
    assert!(nothing.to_string().contains("wrong.json` has nothing at `llm.models.0`"), "{nothing}");

    assert!(matches!(refused(&file, "llm..x").await, ConfigFileError::Selector { .. }));
    assert!(matches!(refused(&File::new("syntax", "{ \"a\": "), "").await, ConfigFileError::Syntax { .. }));
    let gone = File(std::env::temp_dir().join("stepcast-no-such-file.json"));
    let read = refused(&gone, "").await;
    assert!(matches!(&read, ConfigFileError::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound));
}

#[tokio::test]
async fn a_type_that_panics_while_it_is_read_is_an_error() {
    #[derive(Debug)]
    struct Rude;
    impl<'de> Deserialize<'de> for Rude {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            panic!("not in the mood")
        }
    }
    let file = File::new("rude", "{}");
    let error = one::<Rude>(&Resources::new().json_file::<Rude>(&file.0, "")).await.unwrap_err();
    assert!(matches!(error, ResourceError::Panicked { message, .. } if message == "not in the mood"));
}
