//! Which face of a photo a person may be enrolled by, and everything that speaks against it. Pure.
//!
//! A poor template draws strangers for as long as it lives, so a photo is refused where a person at
//! the camera can do better. The bounds are those of standards and of geometry, wide enough for
//! phone photos; none was fitted to a set of pictures.

use super::{Quality, Seen, SeenFace};

/// Faces narrower than this (pixels of the photo) draw strangers when they are compared.
const LEAST_WIDTH: i32 = 40;

/// One face is the person's where it has at least so many times the area of the next: twice as wide,
/// and so at most half as far from the camera.
const CLEARLY_LARGEST: i64 = 4;

/// The customary border between sharp and blurred is a variance of the Laplacian of 100 (Pech-Pacheco
/// et al. 2000), where [`Quality::sharpness`] is a half; it holds for pixels as the camera made them.
/// A face of [`LEAST_WIDTH`] is enlarged twice to be embedded, which quarters second derivatives and
/// divides their variance by 16. What is less sharp than that tells less than a sharp face that is too
/// small: 100/16 of variance is `(1/16) / (1/16 + 1)`.
const LEAST_SHARPNESS: f32 = 1.0 / 17.0;

/// The mean of a face within the 25 darkest of 256 levels, which ISO/IEC 29794-5 counts as
/// underexposed pixel by pixel. Far below what dark skin in fair light has: exposure is judged here,
/// not complexion.
const DARKEST: f32 = 25.0 / 255.0;

/// As far from the upper end. Eyes, brows and mouth keep the mean of a face that is burnt out further
/// from it than darkness keeps it from the lower.
const BRIGHTEST: f32 = 1.0 - DARKEST;

/// Degrees. From half profile on one side of the face is hidden by the other.
const MOST_YAW: f32 = 45.0;

/// Degrees. ISO/IEC 19794-5 allows 5 for passports and embedders bear several times that; looking up
/// or down by more than 30 moves chin and brow out of the part that is compared.
const MOST_PITCH: f32 = 30.0;

/// Degrees. Leaning is undone when the face is aligned; beyond this the picture lies on its side, and
/// the landmarks with it.
const MOST_ROLL: f32 = 45.0;

/// Where a living person and a picture of one are equally likely.
const LIVE: f32 = 0.5;

/// The person's face in a photo, where one stands out, and what speaks against it. `seen` is none
/// where the photo could not be read.
pub(super) fn judge(seen: Option<&Seen>, checks_liveness: bool) -> (Option<&SeenFace>, Vec<&'static str>) {
    let Some(seen) = seen else {
        return (None, vec!["UNREADABLE_IMAGE"]);
    };
    let area = |f: &SeenFace| i64::from(f.width) * i64::from(f.height);
    let mut faces: Vec<&SeenFace> = seen.faces.iter().collect();
    faces.sort_by_key(|f| std::cmp::Reverse(area(f)));
    match faces[..] {
        [] => (None, vec!["NO_FACE"]),
        [first, second, ..] if area(first) < CLEARLY_LARGEST * area(second) => (None, vec!["SEVERAL_FACES"]),
        [first, ..] => (Some(first), against(first, checks_liveness)),
    }
}

/// Whether a face is a living person's rather than one of a picture. One that was not checked is not
/// known to be.
pub(super) fn is_live(face: &SeenFace) -> bool {
    face.liveness.is_some_and(|live| live >= LIVE)
}

fn against(face: &SeenFace, checks_liveness: bool) -> Vec<&'static str> {
    let Quality {
        sharpness,
        brightness,
        yaw,
        pitch,
        roll,
        ..
    } = face.quality;
    let turned = yaw.abs() > MOST_YAW || pitch.abs() > MOST_PITCH || roll.abs() > MOST_ROLL;
    let too_small = face.too_small || face.width < LEAST_WIDTH || face.embedding.is_none();
    [
        ("TOO_SMALL", too_small),
        ("BLURRED", sharpness < LEAST_SHARPNESS),
        ("TOO_DARK", brightness < DARKEST),
        ("TOO_BRIGHT", brightness > BRIGHTEST),
        ("TURNED_AWAY", turned),
        ("NOT_LIVE", checks_liveness && !is_live(face)),
    ]
    .into_iter()
    .filter_map(|(reason, holds)| holds.then_some(reason))
    .collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn face(width: i32) -> SeenFace {
        SeenFace {
            x: 0,
            y: 0,
            width,
            height: width,
            score: 0.9,
            quality: Quality {
                sharpness: 0.9,
                brightness: 0.5,
                ..Quality::default()
            },
            too_small: false,
            embedding: Some(vec![1.0]),
            liveness: Some(0.9),
            crop: Bytes::new(),
        }
    }

    fn rejections(faces: Vec<SeenFace>) -> Vec<&'static str> {
        let seen = Seen {
            faces,
            ..Seen::default()
        };
        judge(Some(&seen), true).1
    }

    fn of(change: impl FnOnce(&mut SeenFace)) -> Vec<&'static str> {
        let mut face = face(100);
        change(&mut face);
        rejections(vec![face])
    }

    #[test]
    fn the_face_must_be_alone_or_clearly_the_largest() {
        let of = |widths: &[i32]| rejections(widths.iter().map(|w| face(*w)).collect());
        assert_eq!(of(&[]), ["NO_FACE"]);
        assert_eq!(of(&[100]), [""; 0]);
        assert_eq!(of(&[100, 60]), ["SEVERAL_FACES"]);
        assert_eq!(of(&[50, 100]), [""; 0]);
        assert_eq!(of(&[39]), ["TOO_SMALL"]);
        assert_eq!(judge(None, true).1, ["UNREADABLE_IMAGE"]);
    }

    #[test]
    fn each_bound_has_its_reason_and_both_its_sides() {
        assert_eq!(of(|f| f.quality.sharpness = LEAST_SHARPNESS), [""; 0]);
        assert_eq!(of(|f| f.quality.sharpness = 0.05), ["BLURRED"]);
        assert_eq!(of(|f| f.quality.brightness = 0.15), [""; 0]);
        assert_eq!(of(|f| f.quality.brightness = 0.09), ["TOO_DARK"]);
        assert_eq!(of(|f| f.quality.brightness = 0.85), [""; 0]);
        assert_eq!(of(|f| f.quality.brightness = 0.95), ["TOO_BRIGHT"]);
        for away in [-46.0, 46.0] {
            assert_eq!(of(|f| f.quality.yaw = away), ["TURNED_AWAY"]);
            assert_eq!(of(|f| f.quality.roll = away), ["TURNED_AWAY"]);
            assert_eq!(of(|f| f.quality.pitch = away / 1.5), ["TURNED_AWAY"]);
            assert_eq!(of(|f| f.quality.yaw = away / 1.1), [""; 0]);
            assert_eq!(of(|f| f.quality.roll = away / 1.1), [""; 0]);
            assert_eq!(of(|f| f.quality.pitch = away / 1.6), [""; 0]);
        }
        assert_eq!(of(|f| f.liveness = Some(0.5)), [""; 0]);
        assert_eq!(of(|f| f.liveness = Some(0.49)), ["NOT_LIVE"]);
        assert_eq!(of(|f| f.liveness = Some(f32::NAN)), ["NOT_LIVE"]);
        assert_eq!(of(|f| f.liveness = None), ["NOT_LIVE"]);
        let mut unchecked = face(100);
        unchecked.liveness = None;
        assert_eq!(against(&unchecked, false), [""; 0]);
    }

    #[test]
    fn all_reasons_are_told_at_once() {
        let all = of(|f| {
            f.width = 30;
            f.quality.sharpness = 0.0;
            f.quality.brightness = 0.0;
            f.quality.yaw = 80.0;
            f.liveness = Some(0.1);
        });
        assert_eq!(all, ["TOO_SMALL", "BLURRED", "TOO_DARK", "TURNED_AWAY", "NOT_LIVE"]);
    }
}
