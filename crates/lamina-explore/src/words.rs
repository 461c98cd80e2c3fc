//! The syntax of word searches: words side by side (or with `AND`, `and`, `+`) must all occur, `OR`/`or` asks for one side,
//! `-word` excludes, `"a phrase"` keeps its order, parentheses group. `AND` binds closer than `OR`.
//!
//! People type these, so nothing that can be understood is an error: an open quote or parenthesis ends with the text, and an
//! operator without a side is dropped.

use lamina_store::caption_texts::WordQuery;

/// How deep parentheses and exclusions may be nested.
const MAX_DEPTH: usize = 16;

/// Most words and phrases that stand apart.
const MAX_LEAVES: usize = 64;

/// Longest text, in bytes.
const MAX_BYTES: usize = 8 * 1024;

/// Why a text cannot be searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WordsError {
    /// Longer than any caption.
    #[error("should have at most {MAX_BYTES} bytes")]
    TooLong,
    /// Parentheses in parentheses in ...
    #[error("is nested more than {MAX_DEPTH} deep")]
    TooDeep,
    /// More than one statement should look for.
    #[error("has more than {MAX_LEAVES} words and phrases that stand apart")]
    TooMany,
    /// A character that no text has.
    #[error("should not contain NUL")]
    Nul,
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Phrase(String),
    Or,
    Minus,
    Open,
    Close,
}

/// Reads a search; one without any word finds nothing.
pub(crate) fn parse(text: &str) -> Result<WordQuery, WordsError> {
    check(text)?;
    let mut parser = Parser {
        tokens: tokens(text).into_iter().peekable(),
        leaves: 0,
    };
    let mut found = Vec::new();
    loop {
        found.extend(parser.any(0)?);
        // A parenthesis that closes nothing is dropped.
        if parser.tokens.next().is_none() {
            break;
        }
    }
    Ok(joined(found, WordQuery::All).unwrap_or_else(|| WordQuery::Any(Vec::new())))
}

/// Whether a text can be searched for at all.
pub(crate) fn check(text: &str) -> Result<(), WordsError> {
    if text.len() > MAX_BYTES {
        return Err(WordsError::TooLong);
    }
    if text.contains('\0') {
        return Err(WordsError::Nul);
    }
    Ok(())
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let after = &rest[first.len_utf8()..];
        rest = match first {
            '(' => {
                tokens.push(Token::Open);
                after
            }
            ')' => {
                tokens.push(Token::Close);
                after
            }
            '"' => {
                let (phrase, after) = after.split_once('"').unwrap_or((after, ""));
                tokens.push(Token::Phrase(phrase.to_owned()));
                after
            }
            '-' => {
                // A dash between spaces is a dash.
                if after
                    .chars()
                    .next()
                    .is_some_and(|next| !next.is_whitespace())
                {
                    tokens.push(Token::Minus);
                }
                after
            }
            '+' => after,
            _ => {
                let ends = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | '"');
                let (word, after) = rest.split_at(rest.find(ends).unwrap_or(rest.len()));
                match word {
                    "AND" | "and" => {}
                    "OR" | "or" => tokens.push(Token::Or),
                    _ => tokens.push(Token::Word(word.to_owned())),
                }
                after
            }
        }
        .trim_start();
    }
    tokens
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    leaves: usize,
}

impl Parser {
    /// Alternatives, up to a closing parenthesis or the end.
    fn any(&mut self, depth: usize) -> Result<Option<WordQuery>, WordsError> {
        let mut sides = Vec::new();
        loop {
            sides.extend(self.all(depth)?);
            if self.tokens.next_if_eq(&Token::Or).is_none() {
                return Ok(joined(sides, WordQuery::Any));
            }
        }
    }

    /// What must all occur, up to an `OR`, a closing parenthesis or the end.
    fn all(&mut self, depth: usize) -> Result<Option<WordQuery>, WordsError> {
        let mut parts = Vec::new();
        while let Some(token) = self
            .tokens
            .next_if(|next| !matches!(next, Token::Or | Token::Close))
        {
            if let Token::Word(word) = &token
                && let Some(WordQuery::Words(words)) = parts.last_mut()
            {
                // Words side by side are one look-up.
                words.push(' ');
                words.push_str(word);
                continue;
            }
            parts.extend(self.unit(token, depth)?);
        }
        Ok(joined(parts, WordQuery::All))
    }

    fn unit(&mut self, token: Token, depth: usize) -> Result<Option<WordQuery>, WordsError> {
        if depth > MAX_DEPTH {
            return Err(WordsError::TooDeep);
        }
        match token {
            Token::Word(word) => self.leaf(WordQuery::Words(word)).map(Some),
            Token::Phrase(phrase) if phrase.trim().is_empty() => Ok(None),
            Token::Phrase(phrase) => self.leaf(WordQuery::Phrase(phrase)).map(Some),
            Token::Open => {
                let group = self.any(depth + 1)?;
                self.tokens.next_if_eq(&Token::Close);
                Ok(group)
            }
            Token::Minus => {
                let next = self
                    .tokens
                    .next_if(|next| !matches!(next, Token::Or | Token::Close));
                let Some(next) = next else { return Ok(None) };
                let excluded = self.unit(next, depth + 1)?;
                Ok(excluded.map(|part| WordQuery::Not(Box::new(part))))
            }
            Token::Or | Token::Close => Ok(None),
        }
    }

    fn leaf(&mut self, leaf: WordQuery) -> Result<WordQuery, WordsError> {
        self.leaves += 1;
        if self.leaves > MAX_LEAVES {
            return Err(WordsError::TooMany);
        }
        Ok(leaf)
    }
}

/// Nothing, the only part, or all of them joined.
fn joined(
    mut parts: Vec<WordQuery>,
    join: impl FnOnce(Vec<WordQuery>) -> WordQuery,
) -> Option<WordQuery> {
    match parts.len() {
        0 | 1 => parts.pop(),
        _ => Some(join(parts)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(query: &WordQuery) -> String {
        let list = |parts: &[WordQuery], between: &str| {
            let parts: Vec<String> = parts.iter().map(shown).collect();
            format!("({})", parts.join(between))
        };
        match query {
            WordQuery::Words(words) => words.clone(),
            WordQuery::Phrase(words) => format!("\"{words}\""),
            WordQuery::All(parts) => list(parts, " & "),
            WordQuery::Any(parts) => list(parts, " | "),
            WordQuery::Not(part) => format!("!{}", shown(part)),
        }
    }

    #[test]
    fn the_syntax_of_the_contract_is_understood() {
        let table = [
            ("cat", "cat"),
            ("  highway \t night\n", "highway night"),
            ("a AND b and c + d", "a b c d"),
            ("+a +b", "a b"),
            ("a OR b", "(a | b)"),
            ("a or b c", "(a | b c)"),
            ("Or And oR", "Or And oR"),
            ("cat -dog", "(cat & !dog)"),
            ("-dog cat", "(!dog & cat)"),
            ("-dog", "!dog"),
            ("well-known", "well-known"),
            ("a - b", "a b"),
            ("\"red car\"", "\"red car\""),
            ("a \"red car\" b", "(a & \"red car\" & b)"),
            ("-\"red car\" a", "(!\"red car\" & a)"),
            ("(a or b) c", "((a | b) & c)"),
            ("(a or b) -(c d)", "((a | b) & !c d)"),
            ("a(b)c\"d\"e", "(a & b c & \"d\" & e)"),
            ("((a))", "a"),
            ("--a", "!!a"),
            ("'; drop table users; --", "'; drop table users;"),
            ("a & b | !c:*", "a & b | !c:*"),
        ];
        for (text, expected) in table {
            assert_eq!(shown(&parse(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn what_is_left_open_ends_with_the_text() {
        let table = [
            ("\"red car", "\"red car\""),
            ("(a or b", "(a | b)"),
            ("a) b", "(a & b)"),
            (")) a", "a"),
            ("or a or", "a"),
            ("a or or b", "(a | b)"),
            ("-", "()"),
            ("", "()"),
            ("() OR \"\" ( )", "()"),
            ("-or a", "a"),
            ("-) a", "a"),
        ];
        for (text, expected) in table {
            assert_eq!(shown(&parse(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn limits_are_errors_and_not_deep_stacks() {
        assert_eq!(parse(&"(".repeat(8_000)), Err(WordsError::TooDeep));
        assert_eq!(parse(&"-".repeat(8_000)), Err(WordsError::TooDeep));
        assert_eq!(
            parse(&format!("{}a", "-".repeat(8_000))),
            Err(WordsError::TooDeep)
        );
        assert_eq!(parse(&"a or ".repeat(65)), Err(WordsError::TooMany));
        assert_eq!(parse(&"a ".repeat(5_000)), Err(WordsError::TooLong));
        assert!(parse(&"a ".repeat(4_000)).is_ok());
        assert_eq!(parse("a\0b"), Err(WordsError::Nul));
    }
}
