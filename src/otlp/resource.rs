//! The attributes of this process: its name and version, and those of `OTEL_RESOURCE_ATTRIBUTES`.

use percent_encoding::percent_decode_str;

/// Maximum size of the variable, in bytes. With a longer one, none of its attributes is used.
const MAX_BYTES: usize = 4_096;

/// The name that modgud has unless the variable says otherwise.
const SERVICE_NAME: &str = "service.name";

/// A malformed value of the variable. The text does not repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResourceError {
    /// Not a list of pairs.
    #[error("is not a list such as `deployment.environment.name=production,k8s.pod.name=modgud-1`")]
    Form,
    /// Too long.
    #[error("is longer than {MAX_BYTES} bytes")]
    TooLong,
}

/// The name and the value of an attribute.
pub type ResourceAttribute = (Box<str>, Box<str>);

/// Returns the attributes with those of the variable, whose values are percent-encoded (Resource SDK of OpenTelemetry). Without a value of the
/// variable, name and version alone.
///
/// # Errors
/// [`ResourceError`] if the variable is malformed: then none of its attributes counts, as OpenTelemetry demands.
pub fn attributes(variable: Option<&str>) -> Result<Vec<ResourceAttribute>, ResourceError> {
    let mut attributes: Vec<ResourceAttribute> =
        vec![(SERVICE_NAME.into(), "modgud".into()), ("service.version".into(), env!("CARGO_PKG_VERSION").into())];
    let text = variable.unwrap_or_default();
    if text.len() > MAX_BYTES {
        return Err(ResourceError::TooLong);
    }
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').ok_or(ResourceError::Form)?;
        let (key, value) = (key.trim(), percent_decode_str(value.trim()).decode_utf8());
        let value = value.map_err(|_| ResourceError::Form)?;
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) || value.chars().any(char::is_control) {
            return Err(ResourceError::Form);
        }
        // A collector may reject an attribute that is there twice.
        attributes.retain(|(known, _)| **known != *key);
        attributes.push((key.into(), value.into()));
    }
    Ok(attributes)
}

#[cfg(test)]
mod tests {
    use super::{MAX_BYTES, ResourceError, attributes};

    #[test]
    fn the_variable_adds_and_replaces_attributes() {
        let shown = |variable: Option<&str>| {
            attributes(variable)
                .map(|list| list.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>())
        };
        let version = format!("service.version={}", env!("CARGO_PKG_VERSION"));
        let own = ["service.name=modgud".to_owned(), version.clone()];
        for none in [None, Some(""), Some(" , ")] {
            assert_eq!(shown(none), Ok(own.to_vec()), "{none:?}");
        }
        assert_eq!(
            shown(Some("k8s.pod.name = a%2Cb ,service.name=edge")),
            Ok(vec![version, "k8s.pod.name=a,b".to_owned(), "service.name=edge".to_owned()])
        );
        for malformed in ["a", "=b", "b\u{1b}c=d", "b\nc=d", "a=%ff", "a=%0a", "a=b,c"] {
            assert_eq!(shown(Some(malformed)), Err(ResourceError::Form), "{malformed}");
        }
        assert_eq!(shown(Some(&format!("a={}", "b".repeat(MAX_BYTES)))), Err(ResourceError::TooLong));
    }
}
