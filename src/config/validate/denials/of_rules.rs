//! Validates `deny` of rules.

use super::{extra_headers, status, statuses};
use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw::{self, Denials, Deny};
use crate::config::secret_source::SecretLoader;
use crate::config::validate::DurationRange;
use crate::diagnostic::{Issue, Quoted};
use modgud_core::authz::Access;
use modgud_core::denial::{DenialPage, DetailText, RuleDenial, SetCookie};
use std::path;

/// Returns the responses of rules to callers without access.
pub(in crate::config::validate) fn of_rules(
    rules: &[raw::Rule],
    denials: &Denials,
    loader: &SecretLoader,
    diagnostics: &mut Diagnostics,
) -> Vec<RuleDenial> {
    let (_, unset) = statuses(&denials.status, &mut Diagnostics::default());
    let mut answers = Vec::new();
    for (number, rule) in rules.iter().enumerate() {
        let Some(deny) = &rule.deny else { continue };
        let Deny { status: code, detail, page, retry_after, headers, set_cookies } = deny;
        let at = Path::root("rules").position(number).key("deny");
        match rule.access {
            // With a condition, it can deny a request.
            Access::Public if rule.when.is_some() => {}
            Access::Public | Access::Preflight => {
                let message = "has no effect, because the rule denies no request";
                diagnostics.add(at.clone(), Issue::error("deny-unused", message, "leave it out"));
            }
            Access::Authenticated | Access::Optional | Access::Denied => {}
        }
        let is_empty = code.is_none() && detail.is_none() && page.is_none() && retry_after.is_none();
        if is_empty && headers.is_empty() && set_cookies.is_empty() {
            let help = "write a `status` or a `detail`, or leave it out";
            diagnostics.add(at.clone(), Issue::error("empty", "is empty", help));
        }
        let status = code.and_then(|code| diagnostics.ok_or_report(&at.key("status"), status(code))).unwrap_or(unset);
        let detail = detail.as_ref().and_then(|text| {
            let parsed = DetailText::parse(text).map_err(|error| {
                let message = format!("{} is not a text for clients: {error}", Quoted::new(text));
                Issue::parse("denial-detail-invalid", message)
            });
            diagnostics.ok_or_report(&at.key("detail"), parsed)
        });
        let page = page.as_ref().and_then(|file| diagnostics.ok_or_report(&at.key("page"), self::page(file, loader)));
        let retry_after = retry_after.as_ref().and_then(|text| self::retry_after(&at, text, diagnostics));
        for written in headers.keys().filter(|written| written.eq_ignore_ascii_case("set-cookie")) {
            let help = "write `set_cookies: [\"NAME=VALUE\"]`, which may have several";
            let issue = Issue::error("denial-header-invalid", "a list of cookies has a key of its own", help);
            diagnostics.add(at.key("headers").key(written), issue);
        }
        let headers = extra_headers(&at.key("headers"), headers, diagnostics);
        let cookies = cookies(&at.key("set_cookies"), set_cookies, diagnostics);
        let rule = rule.name.as_str().into();
        answers.push(RuleDenial { rule, status, detail, page, retry_after, headers, cookies });
    }
    answers
}

fn page(file: &path::Path, loader: &SecretLoader) -> Result<DenialPage, Issue> {
    let (content, origin) = loader.read_file(file, DenialPage::MAX_BYTES)?;
    DenialPage::parse(&content).map_err(|error| {
        let help = "write a page in HTML, encoded as UTF-8";
        Issue::error("denial-page-invalid", format!("{origin} is not a page: it {error}"), help)
    })
}

fn retry_after(at: &Path, text: &String, diagnostics: &mut Diagnostics) -> Option<u32> {
    let at = at.key("retry_after");
    let span = DurationRange { least: ("1s", 1_000), most: ("24h", 86_400_000) }.read(&at, Some(text), diagnostics);
    if span.subsec_nanos() > 0 {
        let message = format!("{} has a fraction of a second, which `Retry-After` can't say", Quoted::new(text));
        diagnostics.add(at, Issue::error("duration-fraction", message, "write whole seconds, such as `30s`"));
        return None;
    }
    u32::try_from(span.as_secs()).ok().filter(|seconds| *seconds > 0)
}

fn cookies(at: &Path, texts: &[String], diagnostics: &mut Diagnostics) -> Vec<SetCookie> {
    if texts.len() > SetCookie::MAX_COUNT {
        let message = format!("has {} cookies", texts.len());
        let help = format!("write at most {}", SetCookie::MAX_COUNT);
        diagnostics.add(at.clone(), Issue::error("denial-cookies-too-many", message, help));
        return Vec::new();
    }
    let mut cookies: Vec<SetCookie> = Vec::new();
    for (number, text) in texts.iter().enumerate() {
        // The value may be a secret, so no text is shown.
        let parsed = SetCookie::parse(text).map_err(|error| {
            Issue::parse("denial-cookie-invalid", format!("the value (not shown) sets no cookie: {error}"))
        });
        cookies.extend(diagnostics.ok_or_report(&at.position(number), parsed));
    }
    cookies
}
