use bytes::Bytes;
use nowbridge::outbox::{Appended, GapCause, LogKey, NewGap, OutboxError};
use nowbridge::wire::bridge::{Seq, Stream};

use crate::support::outbox::{NOON, Opened, block, gap};

#[tokio::test]
async fn a_conflict_in_the_last_block_undoes_the_whole_append() {
    let it = Opened::new().await;
    it.append(1..=3).await.unwrap();
    let mut blocks: Vec<_> = (4..=9).map(|seq| block(seq, Stream::HEART_RATE)).collect();
    let mut other = block(9, Stream::HEART_RATE);
    other.body = Bytes::from_static(b"other bytes");
    blocks.push(other);
    let error = it.outbox.append(it.log.key, it.session, blocks, vec![]).await.unwrap_err();
    assert!(matches!(error, OutboxError::Conflict { seq: Seq(9), .. }), "{error}");
    assert_eq!((it.stored().await, it.cursor().await), (vec![1, 2, 3], Seq(3)));
}

#[tokio::test]
async fn the_same_blocks_again_are_counted_and_left() {
    let it = Opened::new().await;
    it.append(1..=5).await.unwrap();
    let again = it.append([3, 4, 5, 6, 6]).await.unwrap();
    assert_eq!(again, Appended { new: 1, duplicate: 4, cursor: Seq(6) });
    assert_eq!(it.stored().await, [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn a_jump_that_nothing_explains_is_refused() {
    let it = Opened::new().await;
    let error = it.append([1, 2, 4]).await.unwrap_err();
    assert!(matches!(error, OutboxError::Unexplained { expected: Seq(3), got: Seq(4), .. }), "{error}");
    let too_late = it.append_with([1, 2], vec![gap(4, 9, GapCause::Burned)]).await.unwrap_err();
    assert!(matches!(too_late, OutboxError::Unexplained { expected: Seq(3), got: Seq(4), .. }), "{too_late}");
    assert_eq!((it.stored().await, it.cursor().await), (vec![], Seq(0)));
}

#[tokio::test(start_paused = true)]
async fn gaps_carry_the_cursor_over_what_is_missing() {
    let it = Opened::new().await;
    let gaps = vec![gap(6, 8, GapCause::Burned), gap(1, 3, GapCause::Overwritten)];
    assert_eq!(it.append_with([4, 5, 9], gaps.clone()).await.unwrap().cursor, Seq(9));
    // The answer got lost on the way, so the caller asks again.
    assert_eq!(it.append_with([4, 5, 9], gaps).await.unwrap().duplicate, 3);
    let rows = it.outbox.gaps(10).await.unwrap();
    let told: Vec<_> = rows.iter().map(|gap| (gap.from.0, gap.to.0, gap.cause, gap.at)).collect();
    assert_eq!(told, [(6, 8, GapCause::Burned, NOON), (1, 3, GapCause::Overwritten, NOON)]);
}

#[tokio::test]
async fn a_gap_that_overlaps_what_is_stored_claims_only_the_rest() {
    let it = Opened::new().await;
    it.append(1..=5).await.unwrap();
    it.append_with([], vec![gap(3, 9, GapCause::Overwritten)]).await.unwrap();
    let rows = it.outbox.gaps(10).await.unwrap();
    assert_eq!((rows[0].from, rows[0].to, it.cursor().await), (Seq(6), Seq(9), Seq(9)));
}

#[tokio::test]
async fn a_corrupt_block_leaves_its_bytes_with_the_dead_letters_once() {
    let it = Opened::new().await;
    let raw = Bytes::from_static(b"not a block");
    let corrupt =
        NewGap { detail: "bad checksum".to_owned(), raw: Some(raw.clone()), ..gap(2, 2, GapCause::Corrupt) };
    it.append_with([1, 3], vec![corrupt.clone()]).await.unwrap();
    it.append_with([1, 3], vec![corrupt]).await.unwrap();
    let dead = it.outbox.dead_letters(10).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!((dead[0].seq, &dead[0].body, dead[0].sink.as_ref()), (Seq(2), &raw, None));
    assert_eq!(dead[0].reason, "corrupt: bad checksum");
}

#[tokio::test]
async fn a_conflict_can_be_noted_without_moving_anything() {
    let it = Opened::new().await;
    it.append(1..=5).await.unwrap();
    it.append_with([], vec![gap(3, 3, GapCause::Conflict)]).await.unwrap();
    let gaps = it.outbox.gaps(10).await.unwrap();
    assert_eq!((gaps[0].from, gaps[0].cause, it.cursor().await), (Seq(3), GapCause::Conflict, Seq(5)));
    assert_eq!(it.stored().await, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn a_block_for_a_number_that_was_given_up_is_refused() {
    let it = Opened::new().await;
    it.append_with([3], vec![gap(1, 2, GapCause::Burned)]).await.unwrap();
    let error = it.append([2]).await.unwrap_err();
    assert!(matches!(error, OutboxError::GivenUp { seq: Seq(2), cursor: Seq(3), .. }), "{error}");
}

#[tokio::test]
async fn a_log_that_is_not_there_is_named() {
    let it = Opened::new().await;
    let error = it.outbox.append(LogKey(99), it.session, vec![], vec![]).await.unwrap_err();
    assert!(matches!(error, OutboxError::UnknownLog(LogKey(99))), "{error}");
}
