//! The trace that a piece of work belongs to, in W3C's words (`traceparent`, <https://www.w3.org/TR/trace-context/>):
//! it travels in the job's row from the request that asked to the worker that does it. Where nobody collects
//! traces there is none.

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The `traceparent` by which others go on with this span's trace.
pub fn of(span: &Span) -> Option<String> {
    let context = span.context();
    let span = context.span();
    let known = span.span_context();
    known.is_valid().then(|| {
        format!(
            "00-{}-{}-{:02x}",
            known.trace_id(),
            known.span_id(),
            known.trace_flags().to_u8()
        )
    })
}

/// Has a span that has not begun go on with that trace; what is no `traceparent` is passed over.
pub fn follow(span: &Span, traceparent: &str) {
    if let Some(parent) = parse(traceparent) {
        let parent = opentelemetry::Context::new().with_remote_span_context(parent);
        // Not taken: nobody collects traces.
        let _ = span.set_parent(parent);
    }
}

/// Of later versions the beginning is read, as the standard asks for.
fn parse(text: &str) -> Option<SpanContext> {
    let mut parts = text.trim().split('-');
    let mut hex = |digits: usize| {
        let part = parts.next()?;
        let is_hex = part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (is_hex && part.len() == digits).then_some(part)
    };
    let (version, trace, span, flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
    if version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED,
        true,
        TraceState::NONE,
    );
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_as_the_standard_has_it() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let known = parse(good).unwrap();
        assert_eq!(known.trace_id().to_string(), &good[3..35]);
        assert_eq!(known.span_id().to_string(), &good[36..52]);
        assert!(known.is_sampled() && known.is_remote());
        assert!(!parse(&good.replace("-01", "-00")).unwrap().is_sampled());
        assert!(parse(&good.replacen("00", "01", 1)).is_some());
        assert!(parse(&(good.replacen("00", "01", 1) + "-more")).is_some());
        for bad in [
            "",
            "00",
            "a name",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
        ] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }
}
