"""The ways by which a statement may find more than one row, each with the reason why these are never many.

A new statement that reads a whole table, or goes a way that is not here, fails :mod:`tests.growth.test_plans`: give it
an index, a page, or a reason.
"""

from __future__ import annotations

FEW = {
    "account_news_next(n=)": "the end of one piece of news",
    "claim_pkey(person=)": "the products of one person",
    "claim_state(state=)": "claims that wait for a person's decision",
    "delivery_message(message=)": "the legs of one message",
    "e2ee_device_pkey(user_id=)": "the devices of one person",
    "e2ee_in_session(session_id=)": "one session; a forged id finds a few",
    "e2ee_late_at(at=)": "the end of one person's row",
    "e2ee_late_pkey(user_id=)": "the rooms in which keys are kept for one person, all of which change",
    "e2ee_olm_pkey(ghost= curve=)": "the sessions of two devices, of which few are kept",
    "e2ee_olm_pkey(ghost=)": "all of a ghost's sessions end with its device",
    "e2ee_out_ghost(ghost=)": "all of a ghost's sessions end with its device",
    "e2ee_out_live(room_id= ghost=)": "one session in use",
    "e2ee_out_live(room_id=)": "a session in use for each ghost of a room, all of which end",
    "e2ee_share_kept(user_id= room=)": "the keys kept for one person in one room, all of which end",
    "e2ee_share_pkey(session_id=)": "the devices of a room's people",
    "e2ee_share_pkey(session_id= user_id=)": "the devices of one person",
    "e2ee_share_txn(txn=)": "the devices of one request",
    "e2ee_seal_key_pkey()": "the names of the seal's keys",
    "file_pkey(message=)": "the files of one message",
    "leg_pkey(conversation=)": "the networks of one conversation",
    "matrix_intent_marker(marker=)": "one room that is about to be made",
    "mail_draft_thread(chat= thread=)": "what is said in a thread until it is quiet",
    "mail_out_mid(mid=)": "one mail",
    "mail_ref_mid(mid=)": "the chats that one mail came to",
    "mail_ref_ref(ref=)": "one message",
    "mail_ref_thread(chat= thread=)": "the marks that stand on one thread",
    "mail_to_pkey(mail=)": "the recipients of one mail",
    "matrix_member_pkey(room_id=)": "the members of one room",
    "matrix_told_pkey(event_id=)": "what one sender was told of one event",
    "member_person(person=)": "the conversations of one person, all of which lose an address",
    "member_pkey(conversation=)": "the members of one conversation, which are bounded",
    "seat_pkey(conversation=)": "the few people who take the places of one conversation",
    "watch_pkey(conversation=)": "the functions of one conversation",
    "watched_conversation(conversation= function=)": "what waits to be read for a function in one conversation",
    "watched_copy(copy=)": "the messages in one copy",
    "watched_pkey(message=)": "the functions of one conversation",
    "recipient_pkey(message=)": "the members of one conversation, which are bounded",
    "ref_message(message=)": "the names of one message",
    "awaited_pkey(network= conversation=)": "the people who are invited to one chat",
    "awaited_pkey(network=)": "the people who are invited somewhere and have not answered",
    "leg_chat(network= chat>)": "the chats of people who are invited, or the conversations of one person",
    "matrix_room_conversation(conversation=)": "one room",
    "delivery_lane(conversation= network=)": "what waits for somebody who leaves: all of it changes",
}
"""Bounded by nature: sorting what is found this way is fine."""

PAGES = {
    "account_pkey(network> id>)",
    "acquaintance_closed(person>)",
    "acquaintance_pkey(person>)",
    "awaited_open(network= at>)",
    "e2ee_ghost_pkey(user_id>)",
    "e2ee_in_shared(room_id=)",
    "mail_box_pkey(address>)",
    "matrix_ghost_pkey(mxid>)",
    "matrix_inbox_pkey(rowid>)",
    "matrix_inbox_pkey(stream>)",
    "matrix_outbox_pkey(id>)",
    "name_pkey(person>)",
    "revocation_pkey(network> id> person>)",
    "taking_over_pkey(conversation>)",
    "account_news_next(network=)",
    "conversation_audience(audience=)",
    "conversation_unknown()",
    "delivery_again(network= next_at>)",
    "delivery_held(pos>)",
    "delivery_lane(conversation= network= held=)",
    "delivery_late(network= late= created_at>)",
    "delivery_order(network= pos>)",
    "e2ee_late_at(at>)",
    "e2ee_olm_read_at(at>)",
    "e2ee_out_old(created_at>)",
    "e2ee_seen_pkey(room_id= session_id= sender=)",
    "e2ee_send_pkey(id>)",
    "e2ee_send_pkey(rowid>)",
    "e2ee_share_kept(user_id= room= session_id> device_id>)",
    "e2ee_wedged_todo(ghost> user_id> curve>)",
    "mail_draft_thread(chat> thread>)",
    "mail_in_pkey(n>)",
    "mail_in_pkey(rowid>)",
    "mail_out_last()",
    "mail_ref_last()",
    "mail_ref_mail(chat= thread=)",
    "mail_to_due(domain= next_at> n>)",
    "mail_to_recipient(recipient=)",
    "mail_to_due(domain>)",
    "mail_to_untold()",
    "message_last()",
    "message_pos(conversation= pos>)",
    "report_due(network= next_at>)",
    "watch_look()",
    "watch_look(look_at>)",
}
"""An index in the order that is asked for: the statement ends with LIMIT, and nothing is sorted."""

SORTED = {"mail.chain": "the first mail of a thread and its newest twenty"}
"""Statements that sort a page or two."""

FIRST = {
    "delivery_again(network= next_at>)",
    "mail_to_due(domain= next_at=)",
    "mail_to_due(domain=)",
    "message_pos(conversation= pos=)",
    "message_pos(conversation=)",
    "report_due(network= next_at=)",
    "report_due(network=)",
}
"""The first or last entry of an index: the statement asks for one MIN or MAX."""

WHOLE = {
    "e2ee.seal-keys": "the names of the seal's keys",
    "e2ee.seal-key-used": "at start, only if a key of the seal is missing",
    "matrix.last_stream": "the last entry of the primary key",
    "matrix.rooms": "a page of any rooms",
    "e2ee.out-retire-all": "once, after an older copy of the database was restored: all of them end",
    "e2ee.olm-gone-all": "the same",
    "process.life": "one row",
    "process.any-ghost": "any row",
    "process.proofs": "a proof of each of the seal's keys",
    "process.sealed-before": "at start, only for a key of the seal that has no proof yet",
    "matrix.told_clean": "what is old: all of it goes",
}
"""Statements that may read everything."""
