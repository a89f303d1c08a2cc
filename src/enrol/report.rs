//! What the operator is told: a line a photo as its result comes, how far it is, and the sum of it.

use std::io::{IsTerminal, stderr};

use indicatif::{ProgressBar, ProgressStyle};
use service::kinds::{JobStatus, TemplateStatus};
use service::queue::Job;
use service::recognition::Template;

use crate::table::plain;
use crate::{Failure, Outcome, say};

pub(super) struct Report {
    bar: ProgressBar,
    accepted: usize,
    waiting: usize,
    rejected: usize,
    before: usize,
    problems: usize,
}

impl Report {
    /// Of so many photos.
    pub fn new(photos: usize) -> Self {
        let bar = if stderr().is_terminal() {
            ProgressBar::new(photos as u64)
        } else {
            ProgressBar::hidden()
        };
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} photos, {eta} left") {
            bar.set_style(style);
        }
        Self {
            bar,
            accepted: 0,
            waiting: 0,
            rejected: 0,
            before: 0,
            problems: 0,
        }
    }

    fn line(&self, text: &str) -> Outcome {
        self.bar.suspend(|| say(&plain(text)))
    }

    /// Something that the operator should set right: the command will not have succeeded.
    pub fn problem(&mut self, what: &str, problem: &str) -> Outcome {
        self.problems += 1;
        self.line(&format!("{what}: PROBLEM: {problem}"))
    }

    /// Photos that come to no result.
    pub fn skip(&self, photos: usize) {
        self.bar.inc(photos as u64);
    }

    pub fn same(&mut self, name: &str, first: &str) -> Outcome {
        self.bar.inc(1);
        self.line(&format!("{name}: the same photo as {first}"))
    }

    pub fn note(&self, text: &str) {
        self.bar.suspend(|| eprintln!("{text}"));
    }

    /// What became of a photo, whose job has ended.
    pub fn result(&mut self, name: &str, again: bool, job: &Job, template: Option<&Template>) -> Outcome {
        self.bar.inc(1);
        let Some(template) = template else {
            return match job.status {
                JobStatus::Succeeded => self.line(&format!("{name}: deleted since it was enrolled")),
                JobStatus::Failed => {
                    let code = job.error_code.as_deref().unwrap_or("INTERNAL");
                    let message = job
                        .error_message
                        .as_deref()
                        .unwrap_or("Something went wrong on our side");
                    self.problem(name, &format!("{code}: {message}; run this again"))
                }
                _ => self.problem(name, "the job was cancelled; run this again"),
            };
        };
        let counted = match (again, template.status) {
            (true, _) => &mut self.before,
            (false, TemplateStatus::Accepted) => &mut self.accepted,
            (false, TemplateStatus::Pending) => &mut self.waiting,
            (false, TemplateStatus::Rejected) => &mut self.rejected,
        };
        *counted += 1;
        let reasons = template.rejections().join(", ");
        let reasons = if reasons.is_empty() {
            reasons
        } else {
            format!(" ({reasons})")
        };
        let before = if again { ", enrolled before" } else { "" };
        self.line(&format!("{name}: {}{reasons}{before}", template.status.word()))
    }

    pub fn end(self) -> Outcome {
        self.bar.finish_and_clear();
        say(&format!(
            "{} photos accepted, {} wait for a person, {} rejected; {} were enrolled before.",
            self.accepted, self.waiting, self.rejected, self.before
        ))?;
        match self.problems {
            0 => Ok(()),
            1 => Err(Failure::failed("there was a problem; see above")),
            problems => Err(Failure::Failed(format!("there were {problems} problems; see above"))),
        }
    }
}
