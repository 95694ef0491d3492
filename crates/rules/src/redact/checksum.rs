//! Which numbers are what they look like.

/// A payment card: 13 to 19 digits of an issuer's range whose Luhn sum is right.
pub(super) fn is_card(digits: &[u8]) -> bool {
    (13..=19).contains(&digits.len()) && matches!(digits.first(), Some(2..=6 | 9)) && luhn(digits)
}

fn luhn(digits: &[u8]) -> bool {
    let weigh = |(place, digit): (usize, &u8)| match (place % 2, u32::from(*digit) * 2) {
        (0, doubled) => doubled / 2,
        (_, doubled) if doubled > 9 => doubled - 9,
        (_, doubled) => doubled,
    };
    digits.iter().rev().enumerate().map(weigh).sum::<u32>() % 10 == 0
}

/// A Turkish identity number: 11 digits, the last two of which check the others.
pub(super) fn is_turkish_id(digits: &[u8]) -> bool {
    let [first, .., tenth, eleventh] = digits else { return false };
    if digits.len() != 11 || *first == 0 {
        return false;
    }
    let sum = |start: usize, step: usize| {
        digits.iter().take(9).skip(start).step_by(step).map(|digit| i32::from(*digit)).sum::<i32>()
    };
    let check = (sum(0, 2) * 7 - sum(1, 2)).rem_euclid(10);
    let total = (sum(0, 1) + i32::from(*tenth)) % 10;
    check == i32::from(*tenth) && total == i32::from(*eleventh)
}

/// An American social security number has no checksum, so it counts only where it is written
/// like one (`123-45-6789`, or in these groups with spaces) and in an assigned range.
pub(super) fn is_american_id(digits: &[u8], written: &str) -> bool {
    let groups: Vec<usize> = written.split(['-', ' ']).map(str::len).collect();
    let all_figures = written.chars().all(|c| c.is_ascii_digit() || c == '-' || c == ' ');
    if groups != [3, 2, 4] || !all_figures {
        return false;
    }
    let number = |range: std::ops::Range<usize>| {
        digits
            .get(range)
            .unwrap_or_default()
            .iter()
            .fold(0_u32, |value, digit| value * 10 + u32::from(*digit))
    };
    let area = number(0..3);
    area != 0 && area != 666 && area < 900 && number(3..5) != 0 && number(5..9) != 0
}

/// An international bank account number: its remainder by 97 is 1. Letters count from 10.
pub(super) fn is_iban(compact: &str) -> bool {
    let (Some(head), Some(tail)) = (compact.get(..4), compact.get(4..)) else { return false };
    let country = head.bytes().take(2).all(|byte| byte.is_ascii_alphabetic());
    let check = head.bytes().skip(2).all(|byte| byte.is_ascii_digit());
    if !(15..=34).contains(&compact.len()) || !country || !check {
        return false;
    }
    let remainder = tail.chars().chain(head.chars()).try_fold(0_u32, |rest, c| {
        let value = c.to_digit(36)?;
        Some((rest * if value > 9 { 100 } else { 10 } + value) % 97)
    });
    remainder == Some(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(text: &str) -> Vec<u8> {
        text.bytes().filter(u8::is_ascii_digit).map(|byte| byte - b'0').collect()
    }

    #[test]
    fn cards_have_a_luhn_sum() {
        for good in [
            "4242424242424242",
            "5555555555554444",
            "378282246310005",
            "9792030394440796",
            "6011111111111117",
        ] {
            assert!(is_card(&digits(good)), "{good}");
        }
        for bad in ["4242424242424241", "1234567890123", "905321234218", "0000000000000000"] {
            assert!(!is_card(&digits(bad)), "{bad}");
        }
    }

    #[test]
    fn turkish_ids_have_two_check_digits() {
        assert!(is_turkish_id(&digits("10000000146")));
        for bad in ["10000000145", "00000000146", "05321234218", "1000000014"] {
            assert!(!is_turkish_id(&digits(bad)), "{bad}");
        }
    }

    #[test]
    fn american_ids_are_written_in_their_groups() {
        let is_id = |text: &str| is_american_id(&digits(text), text);
        assert!(is_id("123-45-6789") && is_id("123 45 6789"));
        for bad in ["123456789", "000-12-3456", "666-12-3456", "900-12-3456", "123-00-4567", "12-345-6789"] {
            assert!(!is_id(bad), "{bad}");
        }
    }

    #[test]
    fn ibans_leave_one() {
        for good in ["TR330006100519786457841326", "DE89370400440532013000", "GB29NWBK60161331926819"] {
            assert!(is_iban(good), "{good}");
        }
        for bad in ["TR330006100519786457841327", "DE89", "1234567890123456", ""] {
            assert!(!is_iban(bad), "{bad}");
        }
    }
}
