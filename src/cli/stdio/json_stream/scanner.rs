//! A byte-by-byte scanner for the end of a JSON object (RFC 8259). It sees each byte once, however the input is cut. It
//! checks the grammar only: it builds no value and does not check UTF-8.

/// The scan state of one object.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    state: State,
    /// Open objects and lists, the innermost last.
    open: Vec<Inside>,
}

/// The outcome of one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The object continues.
    On,
    /// The object ends here.
    End,
    /// No object continues like this.
    Wrong,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    Object,
    List,
}

/// The next expected input.
#[derive(Debug, Default, Clone, Copy)]
enum State {
    #[default]
    Start,
    /// A name, or the end of an object.
    NameOrEnd,
    Name,
    Colon,
    Value,
    /// A value, or the end of a list.
    ValueOrEnd,
    /// `,`, or the end of the innermost object or list.
    CommaOrEnd,
    /// The rest of a string, then this.
    Text(Text, After),
    /// The rest of a number.
    Number(Number),
    /// The rest of `true`, `false` or `null`.
    Word(&'static [u8]),
}

#[derive(Debug, Clone, Copy)]
enum Text {
    Plain,
    Escape,
    /// This many hexadecimal digits.
    Digits(u8),
}

/// The role of a string.
#[derive(Debug, Clone, Copy)]
enum After {
    Name,
    Value,
}

#[derive(Debug, Clone, Copy)]
enum Number {
    Sign,
    Zero,
    Digits,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
}

impl Scanner {
    /// Returns what would be right next, for an error.
    pub(super) fn expected(&self) -> &'static str {
        match (self.state, self.open.last()) {
            (State::Start, _) => "`{`",
            (State::NameOrEnd, _) => "a name in double quotes, or `}`",
            (State::Name, _) => "a name in double quotes",
            (State::Colon, _) => "`:`",
            (State::Value, _) => "a value",
            (State::ValueOrEnd, _) => "a value, or `]`",
            (State::CommaOrEnd | State::Number(_), Some(Inside::List)) => "`,` or `]`",
            (State::CommaOrEnd | State::Number(_), _) => "`,` or `}`",
            (State::Text(Text::Plain, _), _) => "no control character in a text",
            (State::Text(_, _), _) => "a valid escape",
            (State::Word(_), _) => "`true`, `false` or `null`",
        }
    }

    /// Scans the next byte.
    pub(super) fn step(&mut self, byte: u8) -> Step {
        let blank = matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        let next = match self.state {
            State::Text(text, after) => text.step(byte, after),
            State::Word([wanted, rest @ ..]) => {
                let next = if rest.is_empty() { State::CommaOrEnd } else { State::Word(rest) };
                (byte == *wanted).then_some(next)
            }
            State::Number(number) => match number.step(byte) {
                Some(number) => Some(State::Number(number)),
                None if number.may_end() && blank => Some(State::CommaOrEnd),
                None if number.may_end() => return self.close(byte),
                None => None,
            },
            State::Start => (byte == b'{').then(|| self.enter(Inside::Object)),
            _ if blank => return Step::On,
            State::NameOrEnd if byte == b'}' => return self.leave(Inside::Object),
            State::NameOrEnd | State::Name => (byte == b'"').then_some(State::Text(Text::Plain, After::Name)),
            State::Colon => (byte == b':').then_some(State::Value),
            State::ValueOrEnd if byte == b']' => return self.leave(Inside::List),
            State::ValueOrEnd | State::Value => self.value(byte),
            State::CommaOrEnd | State::Word([]) => return self.close(byte),
        };
        match next {
            Some(state) => {
                self.state = state;
                Step::On
            }
            None => Step::Wrong,
        }
    }

    fn enter(&mut self, inside: Inside) -> State {
        self.open.push(inside);
        match inside {
            Inside::Object => State::NameOrEnd,
            Inside::List => State::ValueOrEnd,
        }
    }

    fn leave(&mut self, inside: Inside) -> Step {
        if self.open.pop() != Some(inside) {
            return Step::Wrong;
        }
        self.state = State::CommaOrEnd;
        if self.open.is_empty() { Step::End } else { Step::On }
    }

    /// Scans the byte after a value.
    fn close(&mut self, byte: u8) -> Step {
        match (byte, self.open.last()) {
            (b'}', _) => return self.leave(Inside::Object),
            (b']', _) => return self.leave(Inside::List),
            (b',', Some(Inside::Object)) => self.state = State::Name,
            (b',', Some(Inside::List)) => self.state = State::Value,
            (_, _) => return Step::Wrong,
        }
        Step::On
    }

    fn value(&mut self, byte: u8) -> Option<State> {
        Some(match byte {
            b'{' => self.enter(Inside::Object),
            b'[' => self.enter(Inside::List),
            b'"' => State::Text(Text::Plain, After::Value),
            b't' => State::Word(b"rue"),
            b'f' => State::Word(b"alse"),
            b'n' => State::Word(b"ull"),
            b'-' => State::Number(Number::Sign),
            b'0' => State::Number(Number::Zero),
            b'1'..=b'9' => State::Number(Number::Digits),
            _ => return None,
        })
    }
}

impl Text {
    fn step(self, byte: u8, after: After) -> Option<State> {
        let text = match (self, byte) {
            (Self::Plain, b'"') => {
                return Some(match after {
                    After::Name => State::Colon,
                    After::Value => State::CommaOrEnd,
                });
            }
            (Self::Plain, b'\\') => Self::Escape,
            (Self::Plain, 0x20..) | (Self::Escape, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                Self::Plain
            }
            (Self::Escape, b'u') => Self::Digits(4),
            (Self::Digits(left), byte) if byte.is_ascii_hexdigit() => {
                if left > 1 {
                    Self::Digits(left.saturating_sub(1))
                } else {
                    Self::Plain
                }
            }
            (Self::Plain | Self::Escape | Self::Digits(_), _) => return None,
        };
        Some(State::Text(text, after))
    }
}

impl Number {
    /// Returns the number with one more byte; `None` if the byte can't continue it.
    const fn step(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Sign, b'0') => Self::Zero,
            (Self::Sign, b'1'..=b'9') | (Self::Digits, b'0'..=b'9') => Self::Digits,
            (Self::Zero | Self::Digits, b'.') => Self::Point,
            (Self::Point | Self::Fraction, b'0'..=b'9') => Self::Fraction,
            (Self::Zero | Self::Digits | Self::Fraction, b'e' | b'E') => Self::Exponent,
            (Self::Exponent, b'+' | b'-') => Self::ExponentSign,
            (Self::Exponent | Self::ExponentSign | Self::ExponentDigits, b'0'..=b'9') => Self::ExponentDigits,
            (_, _) => return None,
        })
    }

    const fn may_end(self) -> bool {
        matches!(self, Self::Zero | Self::Digits | Self::Fraction | Self::ExponentDigits)
    }
}
