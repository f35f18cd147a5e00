// The reference Matrix client: matrix-js-sdk on Rust crypto, one user's device, driven by JSON lines.
// In: {"id", "op", …arguments}. Out: {"id", "result"} or {"id", "error": {message, errcode, status}}.
// It ends when its standard input does. Keys live as long as the process.
import { createInterface } from "node:readline";

// The SDK logs through the console, and standard output is ours: silence it before the SDK takes the functions.
for (const method of ["trace", "debug", "info", "log", "warn", "error"]) console[method] = () => {};
process.on("unhandledRejection", (reason) => process.stderr.write(`unhandled: ${reason?.stack ?? reason}\n`));

const sdk = await import("matrix-js-sdk");
const { AllDevicesIsolationMode, OnlySignedDevicesIsolationMode, VerificationPhase, decodeRecoveryKey } = await import(
  "matrix-js-sdk/lib/crypto-api/index.js"
);
const { Timelines } = await import("./timeline.mjs");
const { download, upload } = await import("./attachments.mjs");

const PATIENCE = 60_000; // how long an operation outlasts a homeserver that is down, in ms
const ALL = 100_000; // events in one sync: all of them

let client, crypto, timelines;
const sending = new Map(); // room -> the end of its queue: sends of one room stay in order

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(condition, what) {
  const end = Date.now() + PATIENCE;
  while (Date.now() < end) {
    const value = await condition();
    if (value) return value;
    await sleep(20);
  }
  throw new Error(`waited in vain for ${what}`);
}

const passing = (error) => !error.httpStatus || error.httpStatus >= 500 || error.httpStatus === 429;

// Only for what may be said twice.
async function persist(action) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    try {
      return await action();
    } catch (error) {
      if (!passing(error) || Date.now() > end) throw error;
      await sleep(200);
    }
  }
}

// --- beginning ------------------------------------------------------------------------------------------------------

async function login({ url, user, password, token, device_id }) {
  if (token) return { user_id: user, access_token: token, device_id };
  const identifier = { type: "m.id.user", user };
  const body = { type: "m.login.password", identifier, password, device_id, initial_device_display_name: "Rust client" };
  return await sdk.createClient({ baseUrl: url }).loginRequest(body);
}

async function start(options) {
  const me = await login(options);
  let secretKey = options.recovery_key ? decodeRecoveryKey(options.recovery_key) : null;
  client = sdk.createClient({
    baseUrl: options.url,
    userId: me.user_id,
    accessToken: me.access_token,
    deviceId: me.device_id,
    cryptoCallbacks: {
      getSecretStorageKey: async ({ keys }) => (secretKey ? [Object.keys(keys)[0], secretKey] : null),
      cacheSecretStorageKey: (_id, _info, key) => void (secretKey = key),
    },
  });
  await client.initRustCrypto({ useIndexedDB: false });
  crypto = client.getCrypto();
  crypto.setDeviceIsolationMode(
    options.isolation === "signed" ? new OnlySignedDevicesIsolationMode() : new AllDevicesIsolationMode(false),
  );
  timelines = new Timelines(client);
  listen(options.auto_join);
  await startSync();
  const recovery_key = await setUpKeys(options, me);
  return { ...me, recovery_key };
}

async function startSync() {
  const filter = new sdk.Filter(client.getUserId());
  filter.setDefinition({ room: { timeline: { limit: ALL }, state: { lazy_load_members: false } } });
  const ready = new Promise((resolve) => {
    const look = (state) => state === "PREPARED" && (client.off("sync", look), resolve());
    client.on("sync", look);
  });
  await client.startClient({ initialSyncLimit: ALL, pendingEventOrdering: "detached", filter });
  await ready;
  // The SDK waits up to 7 s before it looks for a server again.
  setInterval(() => ["RECONNECTING", "ERROR"].includes(client.getSyncState()) && client.retryImmediately(), 300);
}

async function setUpKeys({ cross_sign, password, recovery_key }, { user_id }) {
  if (!cross_sign) return null;
  if (recovery_key) {
    await until(() => crypto.userHasCrossSigningKeys(user_id, true), "our own cross-signing keys");
    await crypto.bootstrapCrossSigning({});
    await crypto.loadSessionBackupPrivateKeyFromSecretStorage();
    await crypto.checkKeyBackupAndEnable();
    return recovery_key;
  }
  const auth = { type: "m.login.password", identifier: { type: "m.id.user", user: user_id }, password };
  await crypto.bootstrapCrossSigning({ authUploadDeviceSigningKeys: (send) => send(auth) });
  const key = await crypto.createRecoveryKeyFromPassphrase();
  await crypto.bootstrapSecretStorage({
    createSecretStorageKey: async () => key,
    setupNewSecretStorage: true,
    setupNewKeyBackup: true,
  });
  return key.encodedPrivateKey;
}

function listen(autoJoin) {
  const welcome = (room, membership) => membership === "invite" && comeIn(room);
  if (autoJoin) client.on("Room.myMembership", welcome);
}

async function comeIn(room) {
  // Again until it works, as people do: a server refuses the first join over federation now and then.
  while (room.getMyMembership() === "invite" && (await join({ room: room.roomId }).then(() => false, () => true)))
    await new Promise((resolve) => setTimeout(resolve, 1000));
}

// --- rooms ----------------------------------------------------------------------------------------------------------

const known = (room) => {
  const found = client.getRoom(room);
  if (!found) throw new Error(`unknown room ${room}`);
  return found;
};

// Sending into a room whose encryption we have not heard of yet would be sending in clear.
async function entered(room) {
  await until(() => client.getRoom(room)?.getMyMembership() === "join", `our membership of ${room}`);
  if (known(room).hasEncryptionStateEvent()) await until(() => crypto.isEncryptionEnabledInRoom(room), "encryption");
  return room;
}

async function create_room({ encrypted, invite, is_direct, name, room_version, preset, state }) {
  const encryption = { type: "m.room.encryption", state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } };
  const initial_state = [...(encrypted ? [encryption] : []), ...(state ?? [])];
  const wish = { preset, invite, is_direct, initial_state, ...(name && { name }), ...(room_version && { room_version }) };
  const { room_id } = await client.createRoom(wish);
  await until(() => client.getRoom(room_id)?.hasEncryptionStateEvent() === encrypted, "the new room");
  return await entered(room_id);
}

async function join({ room, via }) {
  const inviter = client.getRoom(room)?.getMember(client.getUserId())?.events.member?.getSender();
  const viaServers = via ?? (inviter ? [inviter.slice(inviter.indexOf(":") + 1)] : []);
  await persist(() => client.joinRoom(room, { viaServers }));
  return await entered(room);
}

const members = ({ room }) =>
  Object.fromEntries(
    known(room).getMembers().map((m) => [m.userId, { membership: m.membership, displayname: m.rawDisplayName }]),
  );

const rooms = () =>
  client.getRooms().map((room) => ({
    room_id: room.roomId,
    name: room.name,
    membership: room.getMyMembership(),
    encrypted: room.hasEncryptionStateEvent(),
  }));

// As the client shows it: the SDK takes whoever speaks for somebody who has read, and adds that to the receipts.
const receipts = ({ room }) =>
  Object.fromEntries(known(room).getMembers().map((m) => [m.userId, known(room).getEventReadUpTo(m.userId)]));

const state = ({ room, type }) =>
  known(room).currentState.getStateEvents(type).map((event) => ({
    event_id: event.getId(),
    sender: event.getSender(),
    state_key: event.getStateKey(),
    content: event.getContent(),
  }));

// --- sending --------------------------------------------------------------------------------------------------------

function relation({ reply_to, thread, edits }) {
  if (edits) return { rel_type: "m.replace", event_id: edits };
  const cited = reply_to ?? thread;
  const reply = cited ? { "m.in_reply_to": { event_id: cited } } : {};
  return thread ? { rel_type: "m.thread", event_id: thread, is_falling_back: !reply_to, ...reply } : reply;
}

function message(options) {
  const { body, html, msgtype, edits } = options;
  const said = { msgtype, body, ...(html && { format: "org.matrix.custom.html", formatted_body: html }) };
  const related = relation(options);
  return {
    ...said,
    ...(edits && { "m.new_content": said }),
    ...(Object.keys(related).length && { "m.relates_to": related }),
  };
}

// One try, and then the same transaction with the same ciphertext until the server has taken it.
async function submit(room, first) {
  const txn = client.makeTxnId();
  let attempt = () => first(txn);
  const end = Date.now() + PATIENCE;
  for (;;) {
    try {
      return (await attempt()).event_id;
    } catch (error) {
      if (!passing(error) || Date.now() > end) throw error;
      await sleep(200);
      const waiting = known(room).getPendingEvents().find((event) => event.getTxnId() === txn);
      const arrived = timelines.sent(room, txn);
      if (!waiting && arrived) return arrived;
      if (!waiting) throw error;
      attempt = () => client.resendEvent(waiting, known(room));
    }
  }
}

function queued(room, action) {
  const turn = (sending.get(room) ?? Promise.resolve()).catch(() => {}).then(action);
  sending.set(room, turn);
  return turn;
}

const send_event = ({ room, type, content }) =>
  queued(room, () => submit(room, (txn) => client.sendEvent(room, null, type, content, txn)));

const send = (options) => send_event({ room: options.room, type: "m.room.message", content: message(options) });

async function send_file({ room, caption, reply_to, thread, more, ...file }) {
  const encrypted = Boolean(known(room).hasEncryptionStateEvent());
  const related = relation({ reply_to, thread });
  const content = {
    ...(await upload(client, { ...file, encrypted })),
    ...(caption && { body: caption }), // the name stays in `filename` (specification, "Media captions")
    ...(Object.keys(related).length && { "m.relates_to": related }),
    ...more,
  };
  return await send_event({ room, type: "m.room.message", content });
}

const react = ({ room, event_id, key }) =>
  send_event({ room, type: "m.reaction", content: { "m.relates_to": { rel_type: "m.annotation", event_id, key } } });

const redact = ({ room, event_id, reason }) =>
  queued(room, () => submit(room, (txn) => client.redactEvent(room, event_id, txn, reason ? { reason } : undefined)));

async function read_receipt({ room, event_id }) {
  const event = await until(() => timelines.find(room, event_id), `event ${event_id}`);
  await persist(() => client.sendReadReceipt(event, "m.read", true));
  return null;
}

// --- devices --------------------------------------------------------------------------------------------------------

async function devices({ user }) {
  const found = (await crypto.getUserDeviceInfo([user], true)).get(user) ?? new Map();
  return await Promise.all(
    [...found.values()].map(async (device) => {
      const status = await crypto.getDeviceVerificationStatus(user, device.deviceId);
      return {
        device_id: device.deviceId,
        display_name: device.displayName ?? null,
        signed: status?.signedByOwner ?? false,
        verified: status?.isVerified() ?? false,
      };
    }),
  );
}

// --- the loop -------------------------------------------------------------------------------------------------------

const nothing = async (promise) => (await promise, null);

// Somebody who has lost the recovery key begins anew; this device is signed by the new keys.
async function reset_identity({ password }) {
  const auth = { type: "m.login.password", identifier: { type: "m.id.user", user: client.getUserId() }, password };
  await crypto.bootstrapCrossSigning({ setupNewCrossSigning: true, authUploadDeviceSigningKeys: (send) => send(auth) });
  return null;
}

// Ask somebody to compare keys, in a room or by their device; what became of it, and how long that took (ms).
async function verify({ user, room, device }) {
  const began = Date.now();
  const request = await (room ? crypto.requestVerificationDM(user, room) : crypto.requestDeviceVerification(user, device));
  const over = [VerificationPhase.Cancelled, VerificationPhase.Done];
  await until(() => over.includes(request.phase), "the end of a verification");
  const done = request.phase === VerificationPhase.Done;
  return { done, code: request.cancellationCode ?? null, by: request.cancellingUserId ?? null, took: Date.now() - began };
}

// Whose is a mail address, as the identity server at the homeserver's own address says; null: nobody's.
async function lookup({ address }) {
  client.setIdentityServerUrl(client.getHomeserverUrl());
  const { token } = await client.registerWithIdentityServer(await client.getOpenIdToken());
  return (await client.lookupThreePid("email", address, token)).mxid ?? null;
}

const operations = {
  lookup,
  search: async ({ words }) => (await client.searchUserDirectory({ term: words })).results,
  profile: ({ user }) => client.getProfileInfo(user),
  start, reset_identity, verify, create_room, join, members, rooms, state, send, send_event, send_file, react, redact, read_receipt, devices,
  invite: ({ room, user }) => nothing(persist(() => client.invite(room, user))),
  download: (file) => download(client, file),
  kick: ({ room, user, reason }) => nothing(persist(() => client.kick(room, user, reason))),
  leave: ({ room }) => nothing(persist(() => client.leave(room))),
  set_state: async ({ room, type, content, state_key }) =>
    (await persist(() => client.sendStateEvent(room, type, content, state_key))).event_id,
  typing: ({ room, is_typing }) => nothing(persist(() => client.sendTyping(room, is_typing, 20_000))),
  typing_users: ({ room }) => known(room).getMembers().filter((m) => m.typing).map((m) => m.userId),
  receipts,
  has_read: ({ room, user, event_id }) => known(room).hasUserReadEvent(user, event_id),
  rotate: ({ room }) => nothing(crypto.forceDiscardSession(room)),
  timeline: ({ room, start }) => timelines.read(room, start),
  look: ({ room, ids }) => timelines.look(room, ids),
  call: ({ method, path, query, body }) => client.http.authedRequest(method, path, query ?? undefined, body ?? undefined, { prefix: "" }),
};

function say(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

async function obey({ id, op, ...options }) {
  try {
    say({ id, result: (await operations[op](options)) ?? null });
  } catch (error) {
    const { message, errcode, httpStatus: status } = error;
    say({ id, error: { message: message ?? String(error), errcode: errcode ?? null, status: status ?? null } });
  }
}

const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => void obey(JSON.parse(line)));
lines.on("close", () => process.exit(0));
