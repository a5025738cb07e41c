//! The state that answers depend on, and the probable stage of each rental.

use std::collections::BTreeSet;

use proptest::{prelude::*, strategy::BoxedStrategy};
use proptest_state_machine::ReferenceStateMachine;
use saem::{CancelReason, Context};

use super::{
    commands::{Command, Placing, Request, Step, Target, Token},
    generate,
};

pub use crate::generate::CROWD;

/// Phone numbers: one more than there are customers at first.
pub const NUMBERS: usize = CROWD + 1;

/// Probable stage of a rental, so that commands are chosen that can succeed. Nothing is asserted of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Unpaid,
    Paid,
    Ready,
    OnTheWay,
    Over,
}

/// State that answers depend on, and that is known from outside.
#[derive(Clone, Debug)]
pub struct Model {
    /// True if customers may pay later when the gateway gives no answer.
    pub defer: bool,
    /// Contexts that are probably paused: a repeated request pauses nothing.
    pub paused: BTreeSet<Context>,
    pub breaker_open: bool,
    /// True if the payment actor was made to fail, and may not have noticed.
    pub desk_fails: bool,
    /// Oldest first.
    stages: Vec<Stage>,
    keys: BTreeSet<(usize, u8)>,
}

impl Model {
    pub fn new(defer: bool) -> Self {
        let (paused, stages, keys) = (BTreeSet::new(), Vec::new(), BTreeSet::new());
        Self { defer, paused, breaker_open: false, desk_fails: false, stages, keys }
    }

    /// Commands that probably succeed.
    pub fn fitting(&self) -> Vec<Command> {
        let reason = CancelReason::Customer;
        let stages = self.stages.iter().rev().enumerate();
        let fitting = stages.flat_map(|(rental, stage)| match stage {
            Stage::Unpaid => {
                let tokens = [Token::Ok, Token::Ok, Token::Ok, Token::Decline, Token::LostResponse];
                tokens.map(|token| Command::Pay { rental, token }).into()
            }
            Stage::Paid => vec![Command::Cancel { rental, reason }, Command::Dispatch { rental }],
            Stage::Ready => vec![Command::Dispatch { rental }; 4],
            Stage::OnTheWay => {
                let mut mostly = vec![Command::Complete { rental }; 4];
                mostly.push(Command::Cancel { rental, reason });
                mostly
            }
            Stage::Over => Vec::new(),
        });
        fitting.collect()
    }

    fn asked(&mut self, request: &Request) {
        let place = |rental: usize, stages: &[Stage]| stages.len().checked_sub(rental + 1);
        match request.command {
            Command::Place(Placing { customer, token, .. }) => {
                let is_new = request.key.is_none_or(|key| self.keys.insert((customer, key)));
                let stage = match token {
                    Token::Ok if !self.breaker_open => Stage::Paid,
                    Token::Decline if !self.breaker_open => Stage::Over,
                    _ if self.defer => Stage::Unpaid,
                    _ => Stage::Over,
                };
                self.stages.extend(is_new.then_some(stage));
            }
            Command::Pay { rental, token } => {
                let paid = token == Token::Ok && !self.breaker_open;
                self.moves(place(rental, &self.stages).filter(|_| paid), Stage::Unpaid, Stage::Paid);
            }
            Command::Cancel { rental, .. } => {
                if let Some(stage) = place(rental, &self.stages).and_then(|at| self.stages.get_mut(at)) {
                    *stage = Stage::Over;
                }
            }
            Command::Dispatch { rental } => {
                self.moves(place(rental, &self.stages), Stage::Ready, Stage::OnTheWay);
            }
            Command::Complete { rental } => {
                self.moves(place(rental, &self.stages), Stage::OnTheWay, Stage::Over);
            }
            Command::Maintain { context, pause: true } => {
                self.paused.insert(context);
            }
            Command::Maintain { context, pause: false } => {
                self.paused.remove(&context);
            }
            _ => {}
        }
    }

    fn moves(&mut self, at: Option<usize>, from: Stage, to: Stage) {
        if let Some(stage) = at.map(|at| &mut self.stages[at]).filter(|stage| **stage == from) {
            *stage = to;
        }
    }

    fn rested(&mut self) {
        for stage in self.stages.iter_mut().filter(|stage| **stage == Stage::Paid) {
            *stage = Stage::Ready;
        }
    }
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Self> {
        prop::bool::weighted(0.8).prop_map(Self::new).boxed()
    }

    fn transitions(model: &Self) -> BoxedStrategy<Step> {
        generate::step(model)
    }

    fn apply(mut model: Self, step: &Step) -> Self {
        match step {
            Step::Breaker { open } => model.breaker_open = *open,
            Step::Fault { target: Target::PaymentActor, .. } => {
                model.desk_fails = true;
            }
            Step::Do(request) | Step::Shaken { request, .. } | Step::Doomed { request, .. } => {
                model.asked(request);
            }
            Step::Both(one, other) => {
                model.asked(one);
                model.asked(other);
            }
            Step::Crash | Step::Restart | Step::Turns(_) | Step::Pass { .. } => {
                model.desk_fails = false;
                model.rested();
            }
            Step::Fault { .. } => {}
        }
        model
    }
}
