//! Relay connections over the service's pages.

use async_graphql::{Context, SimpleObject};
use service::page::{COUNTED, Page, PageRequest};

#[derive(Clone, SimpleObject)]
pub struct PageInfo {
    has_next_page: bool,
    has_previous_page: bool,
    start_cursor: Option<String>,
    end_cursor: Option<String>,
}

impl PageInfo {
    pub fn of<T>(page: &Page<T>) -> Self {
        Self {
            has_next_page: page.has_next,
            has_previous_page: page.has_previous,
            start_cursor: page.rows.first().map(|(cursor, _)| cursor.clone()),
            end_cursor: page.rows.last().map(|(cursor, _)| cursor.clone()),
        }
    }
}

/// The four arguments of every connection; counts where the client reads the count.
pub fn request(
    ctx: &Context<'_>,
    first: Option<i32>,
    after: Option<String>,
    last: Option<i32>,
    before: Option<String>,
) -> PageRequest {
    PageRequest {
        first,
        after,
        last,
        before,
        count: ctx.look_ahead().field("totalCount").exists(),
    }
}

/// What a page costs: each of its rows what is asked of it.
pub fn page_cost(first: Option<i32>, last: Option<i32>, each: usize) -> usize {
    const DEFAULT: i32 = 50;
    let rows = first.or(last).unwrap_or(DEFAULT).clamp(1, 100);
    each.saturating_mul(usize::try_from(rows).unwrap_or(1))
}

/// What a list costs that comes as a whole: classes, departments, sessions that are open.
pub fn whole_list_cost(each: usize) -> usize {
    const USUAL: usize = 50;
    each.saturating_mul(USUAL)
}

pub fn exact(total: Option<i64>) -> i32 {
    total.and_then(|t| i32::try_from(t).ok()).unwrap_or_default()
}

pub fn bounded(total: Option<i64>) -> Option<i32> {
    total.filter(|t| *t <= COUNTED).and_then(|t| i32::try_from(t).ok())
}

/// Writes `NodeConnection` and `NodeEdge` for an object that is made from a service's struct.
macro_rules! connection {
    ($connection:ident, $edge:ident, $node:ident, $total:ty, $count:path) => {
        #[derive(Clone, async_graphql::SimpleObject)]
        pub struct $edge {
            cursor: String,
            node: $node,
        }

        pub struct $connection(service::page::Page<$node>);

        #[async_graphql::Object]
        impl $connection {
            async fn nodes(&self) -> Vec<$node> {
                self.0.rows.iter().map(|(_, node)| node.clone()).collect()
            }

            async fn edges(&self) -> Vec<$edge> {
                self.0
                    .rows
                    .iter()
                    .map(|(cursor, node)| $edge {
                        cursor: cursor.clone(),
                        node: node.clone(),
                    })
                    .collect()
            }

            async fn page_info(&self) -> $crate::graphql::connection::PageInfo {
                $crate::graphql::connection::PageInfo::of(&self.0)
            }

            async fn total_count(&self) -> $total {
                $count(self.0.total)
            }
        }

        impl<T> From<service::page::Page<T>> for $connection
        where
            $node: From<T>,
        {
            fn from(page: service::page::Page<T>) -> Self {
                Self(page.map($node::from))
            }
        }
    };
}
pub(super) use connection;
