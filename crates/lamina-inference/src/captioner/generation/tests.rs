use super::*;

/// A decoder that says what a function of everything written so far says.
struct Scripted<F> {
    width: usize,
    written: Vec<(usize, Vec<u32>)>,
    say: F,
    steps: usize,
}

impl<F: Fn(usize, &[u32]) -> Vec<f32>> Scripted<F> {
    fn new(width: usize, pictures: usize, say: F) -> Self {
        let written = (0..pictures).map(|picture| (picture, Vec::new()));
        Self {
            width,
            written: written.collect(),
            say,
            steps: 0,
        }
    }
}

impl<F: Fn(usize, &[u32]) -> Vec<f32>> NextToken for Scripted<F> {
    fn step(&mut self, rows: &[usize], tokens: &[u32]) -> Result<Logits, SessionError> {
        self.steps += 1;
        let continued = rows.iter().zip(tokens).map(|(row, token)| {
            let (picture, mut written) = self.written[*row].clone();
            written.push(*token);
            (picture, written)
        });
        self.written = continued.collect();
        let values = self.written.iter();
        let values = values.flat_map(|(picture, written)| (self.say)(*picture, written));
        Ok(Logits {
            values: values.collect(),
            width: self.width,
        })
    }
}

const START: u32 = 0;
const STOP: u32 = 1;

fn rules(beams: usize) -> Rules {
    Rules {
        start: START,
        stop: STOP,
        forced_first: None,
        forced_last: None,
        max_tokens: 6,
        beams,
        no_repeat_ngram: 0,
        length_penalty: 1.0,
        early_stopping: false,
    }
}

/// Scores that favour one token of five.
fn favour(token: usize) -> Vec<f32> {
    let mut scores = vec![0.0; 5];
    scores[token] = 5.0;
    scores
}

#[test]
fn pictures_end_on_their_own() {
    for beams in [1, 3] {
        // Picture 0 says 2 3 and stops, picture 1 says 4 for ever, picture 2 nothing at all.
        let say = |picture: usize, written: &[u32]| match (picture, written.len()) {
            (0, 1) => favour(2),
            (0, 2) => favour(3),
            (1, _) => favour(4),
            _ => favour(STOP as usize),
        };
        let mut model = Scripted::new(5, 3, say);
        let written = generate(&mut model, 3, &rules(beams)).unwrap();
        assert_eq!(written, [Ok(vec![2, 3]), Ok(vec![4; 6]), Ok(vec![])]);
        assert!(model.steps <= 6, "{} steps", model.steps);
    }
}

#[test]
fn scores_that_are_no_numbers_spoil_one_picture_only() {
    for beams in [1, 3] {
        for bad in [f32::NAN, f32::INFINITY] {
            let say = |picture: usize, written: &[u32]| {
                let mut scores = favour(if written.len() > 2 { 1 } else { 3 });
                if picture == 1 && written.len() == 2 {
                    scores[4] = bad;
                }
                scores
            };
            let written = generate(&mut Scripted::new(5, 3, say), 3, &rules(beams)).unwrap();
            assert_eq!(
                written,
                [Ok(vec![3, 3]), Err(CaptionError::Scores), Ok(vec![3, 3])]
            );
        }
        let nothing = |_: usize, _: &[u32]| vec![f32::NEG_INFINITY; 5];
        let written = generate(&mut Scripted::new(5, 1, nothing), 1, &rules(beams)).unwrap();
        assert_eq!(written, [Err(CaptionError::Scores)]);
        // Forbidden tokens are no fault.
        let some = |_: usize, _: &[u32]| {
            let forbidden = f32::NEG_INFINITY;
            vec![forbidden, 2.0, forbidden, forbidden, forbidden]
        };
        let written = generate(&mut Scripted::new(5, 1, some), 1, &rules(beams)).unwrap();
        assert_eq!(written, [Ok(vec![])]);
    }
}

#[test]
fn a_wrong_number_of_scores_is_an_error() {
    for (width, given) in [(5, 4), (0, 0), (5, 6)] {
        let say = move |_: usize, _: &[u32]| vec![0.0; given];
        let result = generate(&mut Scripted::new(width, 1, say), 1, &rules(1));
        assert!(matches!(result, Err(SessionError::WrongOutput { .. })));
    }
}

#[test]
fn forced_tokens_come_first_and_last() {
    for beams in [1, 3] {
        let rules = Rules {
            forced_first: Some(2),
            forced_last: Some(STOP),
            ..rules(beams)
        };
        let mut model = Scripted::new(5, 1, |_: usize, _: &[u32]| favour(4));
        let written = generate(&mut model, 1, &rules).unwrap();
        assert_eq!(written, [Ok(vec![2, 4, 4, 4, 4])], "{beams} beams");
    }
}

#[test]
fn sequences_do_not_repeat() {
    let rules = |beams, no_repeat_ngram| Rules {
        no_repeat_ngram,
        ..rules(beams)
    };
    for beams in [1, 3] {
        let mut model = Scripted::new(5, 1, |_: usize, _: &[u32]| vec![0.0, 1.0, 2.0, 3.0, 4.0]);
        let written = generate(&mut model, 1, &rules(beams, 1)).unwrap();
        // The start token counts as written; when nothing but the stop token is left, it comes.
        assert_eq!(written, [Ok(vec![4, 3, 2])], "{beams} beams");
    }
    let rules = rules(1, 2);
    assert_eq!(rules.banned(&[7, 8, 7]), [8]);
    assert_eq!(rules.banned(&[7, 7]), [7]);
    assert_eq!(rules.banned(&[7]), Vec::<u32>::new());
}

#[test]
fn a_beam_finds_what_greed_misses() {
    // 2 looks better at first, but what follows 3 is certain.
    let say = |_: usize, written: &[u32]| match written {
        [_] => vec![-9.0, -9.0, 0.5, 0.4, -9.0],
        [_, 3] => vec![-9.0, 9.0, -9.0, -9.0, -9.0],
        [_, 2] => vec![0.0; 5],
        _ => favour(STOP as usize),
    };
    let greedy = generate(&mut Scripted::new(5, 1, say), 1, &rules(1)).unwrap();
    assert_ne!(greedy, [Ok(vec![3])]);
    let beams = generate(&mut Scripted::new(5, 1, say), 1, &rules(2)).unwrap();
    assert_eq!(beams, [Ok(vec![3])]);
}

#[test]
fn more_beams_than_tokens_are_no_trouble() {
    let say = |_: usize, written: &[u32]| vec![0.0, if written.len() > 2 { 9.0 } else { -9.0 }];
    let written = generate(&mut Scripted::new(2, 2, say), 2, &rules(16)).unwrap();
    assert!(written.iter().all(Result::is_ok), "{written:?}");
}

#[test]
fn no_pictures_are_no_steps() {
    let mut model = Scripted::new(5, 0, |_: usize, _: &[u32]| favour(1));
    assert_eq!(generate(&mut model, 0, &rules(1)).unwrap(), []);
    assert_eq!(model.steps, 0);
}
