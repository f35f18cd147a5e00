// A small Matrix client in a page: one button that logs in by Pro Santé Connect, then every message of every room, read
// and written with matrix-js-sdk on Rust crypto. For tests: it is bundled by login.mjs and served beside its HTML.
import { createClient } from "matrix-js-sdk";
import { CryptoEvent, OnlySignedDevicesIsolationMode } from "matrix-js-sdk/lib/crypto-api/index.js";

const homeserver = document.documentElement.dataset.homeserver;
const at = (selector) => document.querySelector(selector);
const say = (state) => { at("#state").textContent = state; };

async function session() {
  const address = new URL(location.href);
  const token = address.searchParams.get("loginToken");
  if (!token) return null;
  history.replaceState(null, "", "/"); // it stays in no history
  return await createClient({ baseUrl: homeserver }).loginRequest({ type: "m.login.token", token });
}

async function run(me) {
  const client = createClient({
    baseUrl: homeserver, userId: me.user_id, accessToken: me.access_token, deviceId: me.device_id,
  });
  await client.initRustCrypto();
  const crypto = client.getCrypto();
  crypto.setDeviceIsolationMode(new OnlySignedDevicesIsolationMode());
  // A new account has no keys yet: the first ones need no second login.
  if (!(await crypto.userHasCrossSigningKeys(me.user_id, true))) {
    await crypto.bootstrapCrossSigning({ authUploadDeviceSigningKeys: (send) => send(null) });
  }
  client.on("Room.myMembership", (room, membership) => { if (membership === "invite") client.joinRoom(room.roomId); });
  client.on("Room.timeline", (event) => show(client, event));
  client.on("Event.decrypted", (event) => show(client, event));
  client.on("Session.logged_out", () => say("déconnecté"));
  await client.startClient({ initialSyncLimit: 50 });
  at("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = at("input").value;
    const room = client.getRooms().find((one) => one.getMyMembership() === "join");
    await client.sendMessage(room.roomId, { msgtype: "m.text", body: text });
  });
  const profile = await client.getProfileInfo(me.user_id);
  at("#name").textContent = profile.displayname;
  say(`connecté : ${me.user_id}`);
}

const shown = new Set();
function show(client, event) {
  if (event.getType() !== "m.room.message" || event.isDecryptionFailure() || shown.has(event.getId())) return;
  shown.add(event.getId());
  const line = document.createElement("li");
  line.dataset.encrypted = String(event.isEncrypted());
  const by = client.getRoom(event.getRoomId())?.getMember(event.getSender())?.name ?? event.getSender();
  line.textContent = `${by} : ${event.getContent().body}`;
  at("#log").append(line);
}

at("a").href = `${homeserver}/_matrix/client/v3/login/sso/redirect/oidc-psc?redirectUrl=${encodeURIComponent(`${location.origin}/`)}`;
session().then((me) => (me ? run(me) : say("pas connecté"))).catch((error) => say(`erreur : ${error.message}`));
