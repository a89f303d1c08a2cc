//! Who follows something is looked at again and again: a subscription outlives the rights it began with.

use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};

use crate::error::Result;
use crate::id::{ClassId, JobId, SessionId};
use crate::scope::Scope;
use crate::{Service, classes, queue, sessions};

/// When to look whether the asker still reaches what they follow: whoever holds the connection knows when their login was
/// looked at last. That it ends says nothing.
pub type Looks = BoxStream<'static, ()>;

/// What somebody follows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Followed {
    Session(SessionId),
    Class(ClassId),
    Job(JobId),
    /// All that the asker's rights give: what comes is asked for with them each time.
    Whatever,
}

/// Whether it is still theirs to see; where that cannot be told now, it is.
pub(crate) async fn may_stay(service: &Service, scope: &Scope, followed: Followed) -> bool {
    let gone: Result<bool> = async {
        Ok(match followed {
            Followed::Session(id) => sessions::by_ids(service, scope, &[id]).await?.is_empty(),
            Followed::Class(id) => classes::by_ids(service, scope, &[id]).await?.is_empty(),
            Followed::Job(id) => queue::by_ids(service, scope, &[id]).await?.is_empty(),
            Followed::Whatever => false,
        })
    }
    .await;
    !gone.unwrap_or(false)
}

/// The changes for as long as the asker may stay.
pub(crate) fn while_reached<S: Stream + Send>(
    changes: S,
    service: &Service,
    scope: &Scope,
    followed: Followed,
    mut looks: Looks,
) -> impl Stream<Item = S::Item> + Send + use<S> {
    let (service, scope) = (service.clone(), scope.clone());
    let lost = async move {
        while looks.next().await.is_some() {
            if !may_stay(&service, &scope, followed).await {
                return;
            }
        }
        std::future::pending::<()>().await;
    };
    changes.take_until(Box::pin(lost))
}
