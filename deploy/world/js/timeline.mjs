// Every event of every room, in the order of the room: gaps that a sync leaves are filled by pagination.

class Gap {
  constructor(timeline) {
    this.timeline = timeline; // the SDK's, whose backward token leads into the gap
  }
}

export class Timelines {
  constructor(client) {
    this.client = client;
    this.crypto = client.getCrypto();
    this.rooms = new Map(); // room id -> { entries: (MatrixEvent | Gap)[], ids: Set, filling: Promise }
    this.failures = new Map(); // event id -> why the first look at it showed nothing
    client.on("Event.decrypted", (event) => {
      if (event.isDecryptionFailure() && !this.failures.has(event.getId()))
        this.failures.set(event.getId(), event.decryptionFailureReason);
    });
    client.on("Room", (room) => this.room(room.roomId).entries.unshift(new Gap(room.getLiveTimeline())));
    client.on("Room.timelineReset", (room, set) => {
      if (room && set === room.getUnfilteredTimelineSet()) this.room(room.roomId).entries.push(new Gap(room.getLiveTimeline()));
    });
    client.on("Room.timeline", (event, room, toStart, removed) => {
      if (room && !toStart && !removed) this.append(room.roomId, event);
    });
  }

  room(id) {
    if (!this.rooms.has(id)) this.rooms.set(id, { entries: [], ids: new Set(), filling: Promise.resolve() });
    return this.rooms.get(id);
  }

  append(roomId, event) {
    const { entries, ids } = this.room(roomId);
    if (!event.getId().startsWith("$") || ids.has(event.getId())) return;
    ids.add(event.getId());
    entries.push(event);
  }

  events(roomId) {
    return this.room(roomId).entries.filter((entry) => !(entry instanceof Gap));
  }

  find(roomId, eventId) {
    return this.events(roomId).find((event) => event.getId() === eventId);
  }

  // The event that a transaction of ours became.
  sent(roomId, txn) {
    return this.events(roomId).find((event) => [event.getTxnId(), event.getUnsigned().transaction_id].includes(txn))?.getId();
  }

  async read(roomId, start = 0) {
    const room = this.room(roomId);
    room.filling = room.filling.catch(() => {}).then(() => this.fill(roomId, room));
    await room.filling;
    return await Promise.all(this.events(roomId).slice(start).map((event) => this.describe(event)));
  }

  // Some events as the client shows them now.
  async look(roomId, ids) {
    return await Promise.all(this.events(roomId).filter((event) => ids.includes(event.getId())).map((event) => this.describe(event)));
  }

  // Who has reacted to an event, by key, as the SDK counts them: without reactions that were taken back.
  annotations(event) {
    const relations = this.client.getRoom(event.getRoomId())?.relations;
    const found = relations?.getChildEventsForEvent(event.getId(), "m.annotation", "m.reaction")?.getSortedAnnotationsByKey() ?? [];
    return Object.fromEntries(found.map(([key, events]) => [key, [...events].map((one) => one.getSender())]).filter(([, by]) => by.length));
  }

  async fill(roomId, room) {
    if (this.client.getRoom(roomId)?.getMyMembership() !== "join") return;
    for (const gap of room.entries.filter((entry) => entry instanceof Gap)) {
      const missing = await this.fetch(roomId, room, gap);
      room.entries.splice(room.entries.indexOf(gap), 1, ...missing);
    }
  }

  // Back to the first event that is known from before the gap, or to the room's beginning; oldest first.
  async fetch(roomId, { entries, ids }, gap) {
    const older = new Set(entries.slice(0, entries.indexOf(gap)).filter((e) => !(e instanceof Gap)).map((e) => e.getId()));
    const mapper = this.client.getEventMapper();
    const found = [];
    let token = gap.timeline.getPaginationToken("b");
    while (token) {
      const { chunk, end } = await this.client.createMessagesRequest(roomId, token, 100, "b");
      for (const raw of chunk) {
        if (older.has(raw.event_id)) return found.reverse();
        if (ids.has(raw.event_id)) continue;
        ids.add(raw.event_id);
        found.push(mapper(raw));
      }
      token = end;
    }
    return found.reverse();
  }

  // The SDK tries again when keys come, but not when it learns who the sender's devices belong to; a reload would.
  async settle(event) {
    if (event.isBeingDecrypted()) await event.getDecryptionPromise();
    if (event.isDecryptionFailure()) await event.attemptDecryption(this.crypto, { isRetry: true });
  }

  async describe(event) {
    await this.settle(event);
    const encrypted = event.isEncrypted();
    const info = encrypted && !event.isDecryptionFailure() ? await this.crypto.getEncryptionInfoForEvent(event) : null;
    return {
      event_id: event.getId(),
      sender: event.getSender(),
      type: event.getType(),
      state_key: event.getStateKey() ?? null,
      content: event.getOriginalContent(),
      shown: event.getContent(), // with corrections
      wire_content: event.getWireContent(),
      unsigned: event.getUnsigned(),
      origin_server_ts: event.getTs(),
      redacted: event.isRedacted(),
      annotations: this.annotations(event),
      encrypted,
      decryption_failure: event.isDecryptionFailure() ? event.decryptionFailureReason : null,
      first_failure: this.failures.get(event.getId()) ?? null,
      shield_colour: info?.shieldColour ?? null,
      shield_reason: info?.shieldReason ?? null,
    };
  }
}
