//! Which component a path belongs to.
//!
//! A pattern is a list of segments: literal text, `:name` for any one segment, and `...` at the
//! end for any rest, none included. Of several patterns that match, the most specific wins:
//! compared segment by segment, literal before `:name` before `...`.

use std::cmp::Ordering;

/// The patterns of an application, the most specific first.
#[derive(Debug, Default)]
pub struct Routes<T> {
    routes: Vec<(Route, T)>,
}

/// A parsed pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pattern: String,
    segments: Vec<Segment>,
    wildcard: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Literal(String),
    Parameter(String),
}

/// Why a pattern was refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// Patterns start with a slash.
    #[error("route `{0}` must start with `/`")]
    NoSlash(String),
    /// `...` in the middle.
    #[error("route `{0}`: `...` is allowed only at the end")]
    WildcardInside(String),
    /// Two triggers for one pattern.
    #[error("route `{0}` is given twice")]
    Duplicate(String),
}

/// A path matched.
#[derive(Debug)]
pub struct Match<'a, T> {
    /// The pattern.
    pub route: &'a Route,
    /// What belongs to it.
    pub target: &'a T,
    /// The segments that `:name`s stood for, in order.
    pub parameters: Vec<(&'a str, String)>,
    /// What `...` stood for, with its slash; empty without one.
    pub rest: String,
}

impl Route {
    /// Parses a pattern.
    ///
    /// # Errors
    /// When it does not start with a slash or has `...` before its end.
    pub fn parse(pattern: &str) -> Result<Route, RouteError> {
        let path = pattern.strip_prefix('/').ok_or_else(|| RouteError::NoSlash(pattern.to_owned()))?;
        let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let wildcard = parts.pop_if(|last| *last == "...").is_some();
        if parts.contains(&"...") {
            return Err(RouteError::WildcardInside(pattern.to_owned()));
        }
        let segments = parts.into_iter().map(Segment::parse).collect();
        Ok(Route { pattern: pattern.to_owned(), segments, wildcard })
    }

    /// The pattern as written.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// The pattern without its `/...`.
    pub fn prefix(&self) -> &str {
        self.pattern.strip_suffix("/...").unwrap_or(&self.pattern)
    }

    fn matches(&self, path: &[&str]) -> bool {
        let long_enough =
            if self.wildcard { path.len() >= self.segments.len() } else { path.len() == self.segments.len() };
        long_enough && self.segments.iter().zip(path).all(|(segment, part)| segment.matches(part))
    }

    /// Literal before parameter before end; an exact end before a wildcard.
    fn compare(&self, other: &Route) -> Ordering {
        let rank = |route: &Route, at: usize| match route.segments.get(at) {
            Some(Segment::Literal(_)) => 0,
            Some(Segment::Parameter(_)) => 1,
            None if !route.wildcard => 2,
            None => 3,
        };
        let length = self.segments.len().max(other.segments.len());
        (0..=length)
            .map(|at| rank(self, at).cmp(&rank(other, at)))
            .find(|o| o.is_ne())
            .unwrap_or(Ordering::Equal)
    }

    fn same_paths(&self, other: &Route) -> bool {
        let kind = |segment: &Segment| match segment {
            Segment::Literal(text) => Some(text.clone()),
            Segment::Parameter(_) => None,
        };
        self.wildcard == other.wildcard && self.segments.iter().map(kind).eq(other.segments.iter().map(kind))
    }
}

impl Segment {
    fn parse(part: &str) -> Segment {
        match part.strip_prefix(':') {
            Some(name) => Segment::Parameter(name.to_owned()),
            None => Segment::Literal(part.to_owned()),
        }
    }

    fn matches(&self, part: &str) -> bool {
        match self {
            Segment::Literal(text) => text == part,
            Segment::Parameter(_) => true,
        }
    }
}

impl<T> Routes<T> {
    /// Orders `routes` by precedence.
    ///
    /// # Errors
    /// When two patterns match the same paths.
    pub fn new(mut routes: Vec<(Route, T)>) -> Result<Routes<T>, RouteError> {
        for (index, (route, _)) in routes.iter().enumerate() {
            if routes[..index].iter().any(|(other, _)| other.same_paths(route)) {
                return Err(RouteError::Duplicate(route.pattern.clone()));
            }
        }
        routes.sort_by(|(a, _), (b, _)| a.compare(b));
        Ok(Routes { routes })
    }

    /// The pattern that `path` belongs to.
    pub fn find(&self, path: &str) -> Option<Match<'_, T>> {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let (route, target) = self.routes.iter().find(|(route, _)| route.matches(&parts))?;
        let named = route.segments.iter().zip(&parts).filter_map(|(segment, part)| match segment {
            Segment::Parameter(name) => Some((name.as_str(), (*part).to_owned())),
            Segment::Literal(_) => None,
        });
        Some(Match { route, target, parameters: named.collect(), rest: rest(route, path) })
    }

    /// All patterns with their targets, the most specific first.
    pub fn iter(&self) -> impl Iterator<Item = (&Route, &T)> {
        self.routes.iter().map(|(route, target)| (route, target))
    }
}

/// The part of `path` after the pattern's own segments, slashes kept as the caller wrote them.
fn rest(route: &Route, path: &str) -> String {
    if !route.wildcard {
        return String::new();
    }
    let mut rest = path;
    for _ in &route.segments {
        let start = rest.trim_start_matches('/');
        rest = start.find('/').map_or("", |slash| &start[slash..]);
    }
    rest.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(patterns: &[&'static str]) -> Routes<&'static str> {
        Routes::new(patterns.iter().map(|p| (Route::parse(p).unwrap(), *p)).collect()).unwrap()
    }

    #[test]
    fn the_most_specific_pattern_wins() {
        let routes = routes(&["/...", "/leads/...", "/leads/:id", "/leads/import", "/leads/:id/calls", "/"]);
        let cases = [
            ("/", "/"),
            ("/other", "/..."),
            ("/leads", "/leads/..."),
            ("/leads/import", "/leads/import"),
            ("/leads/7", "/leads/:id"),
            ("/leads/7/calls", "/leads/:id/calls"),
            ("/leads/7/notes", "/leads/..."),
        ];
        for (path, expected) in cases {
            assert_eq!(routes.find(path).map(|found| *found.target), Some(expected), "{path}");
        }
    }

    #[test]
    fn a_path_without_a_pattern_is_not_found() {
        assert!(routes(&["/leads"]).find("/calls").is_none());
        assert!(routes(&["/leads"]).find("/leads/7").is_none());
    }

    #[test]
    fn parameters_and_rest_are_captured() {
        let routes = routes(&["/foo/:user/..."]);
        let found = routes.find("/foo/42/bar/baz/").unwrap();
        assert_eq!(found.parameters, vec![("user", "42".to_owned())]);
        assert_eq!(found.rest, "/bar/baz/");
        assert_eq!(found.route.prefix(), "/foo/:user");
        assert_eq!(routes.find("/foo/42").unwrap().rest, "");
    }

    #[test]
    fn broken_patterns_are_refused() {
        assert_eq!(Route::parse("leads"), Err(RouteError::NoSlash("leads".to_owned())));
        assert_eq!(Route::parse("/.../x"), Err(RouteError::WildcardInside("/.../x".to_owned())));
        let twice = vec![(Route::parse("/a/:b").unwrap(), 1), (Route::parse("/a/:c").unwrap(), 2)];
        assert_eq!(Routes::new(twice).unwrap_err(), RouteError::Duplicate("/a/:c".to_owned()));
    }
}
