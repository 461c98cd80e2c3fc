//! The thresholds hold on pictures with known flaws, all flaws present at once.

use crate::truth;

#[test]
fn known_flaws_are_found_and_fine_pictures_left_alone() {
    let scores = truth::run(5, |kind, number, made, measures| {
        let flags = [
            measures.blur_confidence,
            measures.dark_confidence,
            measures.bright_confidence,
        ]
        .map(|c| c >= 0.5);
        if flags != [made.is_blurred(), made.is_dark(), made.is_bright()] {
            println!("{kind} {number} {made:?}: {measures:?}");
        }
    });
    for (name, score) in ["blur", "dark", "bright"].into_iter().zip(scores.0) {
        println!("{name}: F1 {:.3} {score:?}", score.f1());
        assert!(score.f1() >= 0.97, "{name}: {score:?}");
    }
}
