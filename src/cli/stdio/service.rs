//! The services behind the gateway, by path.

use modgud_core::http::path::{CanonicalPath, RequestTarget};
use std::str::FromStr;

/// A service and the path prefix of its requests: `PATH=NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    below: Vec<Box<str>>,
    name: Box<str>,
}

impl FromStr for Service {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        const HOW: &str = "write it as `/api/users=users-service`";
        let (path, name) = text.rsplit_once('=').filter(|(_, name)| !name.is_empty()).ok_or(HOW)?;
        let target = RequestTarget::parse(path.as_bytes()).map_err(|_| HOW)?;
        match target.query {
            None => Ok(Self { below: target.path.segments().map(Box::from).collect(), name: name.into() }),
            Some(_) => Err(HOW),
        }
    }
}

/// All services.
#[derive(Debug)]
pub(super) struct Services(Vec<Service>);

impl Services {
    /// Creates the list: the longest path wins, and of equal paths the first.
    pub(super) fn new(mut services: Vec<Service>) -> Self {
        services.sort_by_key(|service| std::cmp::Reverse(service.below.len()));
        Self(services)
    }

    /// Returns the services of the exercise that the messages come from.
    pub(super) fn usual() -> Self {
        const USUAL: [(&[&str], &str); 5] = [
            (&["api", "users"], "users-service"),
            (&["api", "orders"], "orders-service"),
            (&["api", "products"], "products-service"),
            (&["api", "payments"], "payments-service"),
            (&["api", "v2", "users"], "users-service"),
        ];
        let service = |(below, name): (&[&str], &str)| Service {
            below: below.iter().map(|segment| Box::from(*segment)).collect(),
            name: name.into(),
        };
        Self::new(USUAL.map(service).into())
    }

    /// Returns the service of a path; `None` if there is none.
    pub(super) fn of(&self, path: &CanonicalPath<'_>) -> Option<&str> {
        let is_below = |service: &&Service| {
            let mut segments = path.segments();
            service.below.iter().all(|segment| segments.next() == Some(&**segment))
        };
        self.0.iter().find(is_below).map(|service| &*service.name)
    }
}

#[cfg(test)]
mod tests {
    use super::{RequestTarget, Service, Services};

    fn of<'s>(services: &'s Services, path: &str) -> Option<&'s str> {
        services.of(&RequestTarget::parse(path.as_bytes()).unwrap().path)
    }

    #[test]
    fn whole_segments_decide() {
        let usual = Services::usual();
        for (path, expected) in [
            ("/api/users/123", Some("users-service")),
            ("/api/users", Some("users-service")),
            ("/api/v2/users/1/2", Some("users-service")),
            ("/api/payments/", Some("payments-service")),
            ("/api/usersx", None),
            ("/api/v2/orders", None),
            ("/API/users", None),
            ("/", None),
        ] {
            assert_eq!(of(&usual, path), expected, "{path}");
        }
    }

    #[test]
    fn the_longest_path_decides() {
        let services = ["/a=one", "/a/b=two", "/=all"].map(|text| text.parse::<Service>().unwrap());
        let services = Services::new(services.into());
        let found = ["/a/c", "/a/b/c", "/x"].map(|path| of(&services, path));
        assert_eq!(found, [Some("one"), Some("two"), Some("all")]);
        for bad in ["", "a=b", "/a", "/a=", "/a?b=c", "/a//b=c"] {
            assert!(bad.parse::<Service>().is_err(), "{bad}");
        }
    }
}
