//! Named places in the code where tests make the process end. Compiled in only when the `fail` crate's feature is on,
//! which the tests of this crate do and nothing that ships does.

/// Message of a planned panic that stands for a power cut.
const KILL: &str = "kill";

/// Reads the plan from `FAILPOINTS` (`place=1*panic(kill)`), if there can be one.
pub fn arm() -> Option<fail::FailScenario<'static>> {
    if !fail::has_failpoints() {
        return None;
    }
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        // A panic would be caught and the chunk tried again; a power cut lets nobody catch anything.
        if info.payload_as_str() == Some(KILL) {
            std::process::abort();
        }
        usual(info);
    }));
    Some(fail::FailScenario::setup())
}
