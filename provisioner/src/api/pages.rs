//! Pages of lists: how many objects, behind which, and what the next page begins behind.
//!
//! A list's filter holds `limit` and `after` itself: a query with an unknown word is refused, which serde can't do for
//! a part of a struct.

use super::error::ApiError;
use provisioner_api::{PAGE, PAGE_MOST};

/// How many objects a page holds.
pub(super) fn limit(asked: Option<&str>) -> Result<u32, ApiError> {
    number("limit", asked).map(|limit| limit.unwrap_or(PAGE))
}

/// A number of objects that is asked for by this name.
pub(super) fn number(field: &str, asked: Option<&str>) -> Result<Option<u32>, ApiError> {
    let Some(text) = asked else { return Ok(None) };
    match text.parse() {
        Ok(number) if (1..=PAGE_MOST).contains(&number) => Ok(Some(number)),
        _ => Err(ApiError::field(
            field,
            format!(
                "`{text}` is no number from 1 to {PAGE_MOST}; without `limit` a page holds {PAGE}, and `after` with the `next` of the answer gets what follows"
            ),
        )),
    }
}

/// Where a page begins, of lists whose cursors have a form.
pub(super) fn cursor<T: std::str::FromStr>(after: Option<&str>) -> Result<Option<T>, ApiError> {
    let Some(text) = after.filter(|text| !text.is_empty()) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| {
        let detail =
            format!("`{text}` is not where a page of this list ends; take the `next` of the page before");
        ApiError::field("after", detail)
    })
}

/// How many rows tell whether something follows a page.
pub(super) const fn rows(limit: u32) -> u32 {
    limit + 1
}

/// The page of so many objects, out of [`rows`], and what the next one begins behind.
pub(super) fn cut<T>(mut items: Vec<T>, limit: u32, key: impl Fn(&T) -> String) -> (Vec<T>, Option<String>) {
    let most = limit as usize;
    if items.len() <= most {
        return (items, None);
    }
    items.truncate(most);
    let next = items.last().map(key);
    (items, next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse;

    #[test]
    fn a_limit_is_within_bounds_or_refused() {
        for (asked, got) in [(None, Some(100)), (Some("1"), Some(1)), (Some("1000"), Some(1000))] {
            assert_eq!(limit(asked).ok(), got, "{asked:?}");
        }
        for asked in ["0", "1001", "-1", "", "all", "1e2", "99999999999"] {
            assert_eq!(limit(Some(asked)).unwrap_err().into_response().status(), 422, "{asked}");
        }
    }

    #[test]
    fn a_page_says_what_follows_only_if_something_does() {
        for (rows, page, next) in
            [(vec![], vec![], None), (vec![1, 2], vec![1, 2], None), (vec![1, 2, 3], vec![1, 2], Some("2"))]
        {
            assert_eq!(cut(rows, 2, ToString::to_string), (page, next.map(Into::into)));
        }
    }
}
