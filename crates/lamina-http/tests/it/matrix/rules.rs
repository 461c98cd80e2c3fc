//! What is expected: a rule, a person and a kind of dataset into one of four outcomes.

use super::people::Person;
use super::things::Kind;

/// The words of `authorisation.txt`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    Open,
    Caller,
    Session,
    Creator,
    Admin,
    Look,
    Read,
    Member,
    Listed,
    Change,
    Relisted,
    Own,
    Mine,
}

impl Rule {
    pub fn read(word: &str) -> Self {
        match word {
            "open" => Self::Open,
            "caller" => Self::Caller,
            "session" => Self::Session,
            "creator" => Self::Creator,
            "admin" => Self::Admin,
            "look" => Self::Look,
            "read" => Self::Read,
            "member" => Self::Member,
            "listed" => Self::Listed,
            "change" => Self::Change,
            "relisted" => Self::Relisted,
            "own" => Self::Own,
            "mine" => Self::Mine,
            other => panic!("{other} is no rule"),
        }
    }
}

/// An outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// It is theirs to do: the answer is about the request.
    Passes,
    /// 401.
    Unauthenticated,
    /// 403.
    Forbidden,
    /// Byte for byte what is answered for a dataset that never was.
    NothingThere,
}

/// What somebody is to a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tie {
    None,
    Public,
    Viewer,
    Editor,
    Owner,
}

fn tie(person: Person, kind: Kind) -> Tie {
    match (kind, person) {
        (Kind::Own | Kind::Shared, Person::Owner) => Tie::Owner,
        (Kind::Shared, Person::Viewer) => Tie::Viewer,
        (Kind::Shared, Person::Editor | Person::Onlooker) => Tie::Editor,
        (Kind::Public, _) => Tie::Public,
        _ => Tie::None,
    }
}

pub fn expected(rule: Rule, person: Person, kind: Kind) -> Expected {
    use Expected::{Forbidden, NothingThere, Passes, Unauthenticated};
    if rule == Rule::Open {
        return Passes;
    }
    if person.has_bad_token() {
        return Unauthenticated;
    }
    let tie = tie(person, kind);
    if person == Person::Nobody {
        let may = rule == Rule::Look && tie == Tie::Public;
        return if may { Passes } else { Unauthenticated };
    }
    // An account that may only look changes nothing, whatever is shared with it.
    let may_change = person != Person::Onlooker;
    let allow = |is_allowed: bool| if is_allowed { Passes } else { Forbidden };
    match rule {
        Rule::Open | Rule::Caller => Passes,
        Rule::Session if person == Person::Viewer => Passes,
        Rule::Session => Unauthenticated,
        Rule::Creator => allow(may_change),
        Rule::Admin => allow(person == Person::Admin),
        Rule::Mine if tie == Tie::Owner => Passes,
        Rule::Mine => NothingThere,
        Rule::Listed | Rule::Relisted if tie == Tie::Public => NothingThere,
        _ if tie == Tie::None => NothingThere,
        Rule::Look | Rule::Read | Rule::Listed => Passes,
        Rule::Member => allow(tie != Tie::Public),
        Rule::Change | Rule::Relisted => {
            allow(may_change && matches!(tie, Tie::Owner | Tie::Editor))
        }
        Rule::Own => allow(tie == Tie::Owner),
    }
}
