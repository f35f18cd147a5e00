// A simulator of Pro Santé Connect, and of a hospital's own identity provider: not the software of the ANS. It is the
// certified `oidc-provider` with the claim shapes, paths and the unusual name of the discovery document of the real one.
// Argument: a JSON object {port, clients, people, locals}. It ends when its standard input does.
// POST /_simulator/next {token, userinfo} changes what is answered next: an attacker's provider, or a broken one.
import { createServer } from "node:http";
import { createHmac, createPrivateKey, createPublicKey, generateKeyPairSync, sign } from "node:crypto";

for (const method of ["info", "warn"]) console[method] = () => {}; // oidc-provider's hints for production
const { Provider } = await import("oidc-provider");

const { port, clients, people, locals, backchannel } = JSON.parse(process.argv[2]);
const HOST = `http://127.0.0.1:${port}`;
const PSC = "/auth/realms/esante-wallet";
const LOCAL = "/auth/realms/chu";
const PATHS = "/protocol/openid-connect";
const PERSONAL = [
  "SubjectNameID", "preferred_username", "given_name", "family_name", "SubjectRole", "SubjectOrganization",
  "SubjectOrganizationID", "Secteur_Activite", "Palier_Authentification", "PSI_Locale", "UITVersion",
  "Acces_Regulation_Medicale", "Mode_Acces_Raison", "otherIds", "SubjectRefPro", "email_verified", "authMode",
];

const pair = () => generateKeyPairSync("rsa", { modulusLength: 2048 });
const keys = { [PSC]: pair(), [LOCAL]: pair() };
const foreign = pair();
let next = {};

const page = (title, body) => `<!doctype html><meta charset="utf-8"><title>${title}</title><h1>${title}</h1>
<p>Simulateur : ce n'est pas le logiciel de l'ANS.</p>${body}`;
const escape = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

function provider(base, accounts, scope) {
  const made = new Provider(HOST + base, {
    jwks: { keys: [{ ...keys[base].privateKey.export({ format: "jwk" }), kid: `key${base}`, alg: "RS256", use: "sig" }] },
    clients: clients.map((one) => ({
      grant_types: ["authorization_code"], response_types: ["code"], post_logout_redirect_uris: [], ...one,
      ...(backchannel && !one.backchannel_logout_uri && base === PSC ? { backchannel_logout_uri: backchannel, backchannel_logout_session_required: true } : {}),
    })),
    pkce: { required: () => true },
    acrValues: ["eidas1", "eidas2", "eidas3"],
    scopes: ["openid", scope],
    claims: { openid: ["sub"], [scope]: scope === "scope_all" ? PERSONAL : ["preferred_username", "name", "groups"], acr: null, sid: null },
    features: {
      devInteractions: { enabled: false }, backchannelLogout: { enabled: true }, rpInitiatedLogout: {
        logoutSource: (ctx, form) => { ctx.body = page("Se déconnecter", `${form}<button form="op.logoutForm" name="logout" value="yes">Oui</button>`); },
        postLogoutSuccessSource: (ctx) => { ctx.body = page("Déconnecté", ""); },
      },
    },
    cookies: { keys: ["simulator"] },
    ttl: { Session: 3600, Interaction: 3600, Grant: 3600, IdToken: 3600, AccessToken: 300 },
    routes: Object.fromEntries([["authorization", "/auth"], ["token", "/token"], ["userinfo", "/userinfo"], ["jwks", "/certs"],
      ["end_session", "/logout"]].map(([name, path]) => [name, PATHS + path])),
    findAccount: (ctx, id) => {
      const one = Object.values(accounts).find((known) => known.sub === id);
      return one && { accountId: id, claims: async () => one };
    },
    fetch: (url, { dispatcher, ...how }) => fetch(url, how), // our homeserver is on this machine
    interactions: { url: (ctx, interaction) => `${HOST}${base}/interaction/${interaction.uid}` },
    renderError: (ctx, out) => { ctx.body = page("Refusé", `<p>${escape(out.error)}</p>`); },
  });
  made.on("backchannel.error", (ctx, error) => process.stderr.write(`backchannel: ${error.stack}\n`));
  made.on("server_error", (ctx, error) => process.stderr.write(`${error.stack}\n`));
  return made;
}

const providers = { [PSC]: provider(PSC, people, "scope_all"), [LOCAL]: provider(LOCAL, locals, "profile") };
const serve = Object.fromEntries(Object.entries(providers).map(([base, one]) => [base, one.callback()]));

// The page of the wallet: who presents their card, or phone, and how strong that was.
async function interact(base, accounts, request, response) {
  const op = providers[base];
  const { uid, params, prompt } = await op.interactionDetails(request, response);
  if (request.method === "GET") {
    const names = Object.keys(accounts).map((name) => `<button name="who" value="${escape(name)}">${escape(name)}</button>`);
    response.setHeader("Content-Type", "text/html; charset=utf-8");
    return response.end(page("Pro Santé Connect", `<form method="post" action="${HOST}${base}/interaction/${uid}">${names.join(" ")}</form>`));
  }
  const who = new URLSearchParams(await read(request)).get("who");
  const { sub, acr } = accounts[who];
  const grant = new op.Grant({ accountId: sub, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  grant.addOIDCClaims(["acr", "sid"]);
  const level = acr === undefined ? "eidas1" : acr;
  const result = { login: { accountId: sub, ...(level ? { acr: level } : {}) }, consent: { grantId: await grant.save() } };
  return op.interactionFinished(request, response, result, { mergeWithLastSubmission: false, prompt });
}

async function read(request) {
  let text = "";
  for await (const piece of request) text += piece;
  return text;
}

// What an attacker, or a broken provider, would answer.
const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
function spoiled(token, { set = {}, drop = [], alg = "RS256", key }, base) {
  const [head, body] = token.split(".").slice(0, 2).map((part) => JSON.parse(Buffer.from(part, "base64url")));
  const claims = { ...body, ...set };
  for (const name of drop) delete claims[name];
  const signed = `${encode({ ...head, alg })}.${encode(claims)}`;
  if (alg === "none") return `${signed}.`;
  if (alg === "HS256") {
    const secret = createPublicKey(keys[base].publicKey.export({ type: "spki", format: "pem" })).export({ type: "spki", format: "pem" });
    return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
  }
  const by = key === "foreign" ? foreign : keys[base];
  return `${signed}.${sign("sha256", signed, createPrivateKey(by.privateKey.export({ type: "pkcs8", format: "pem" }))).toString("base64url")}`;
}

function spoil(base, path, response) {
  const change = path === `${PATHS}/token` ? next.token : path === `${PATHS}/userinfo` ? next.userinfo : undefined;
  if (!change) return;
  const end = response.end.bind(response);
  response.end = (data, ...more) => {
    const said = JSON.parse(data.toString());
    if (path.endsWith("/token") && said.id_token) {
      if (change.absent) delete said.id_token;
      else said.id_token = spoiled(said.id_token, change, base);
    } else if (path.endsWith("/userinfo")) {
      Object.assign(said, change.set);
      for (const name of change.drop ?? []) delete said[name];
    }
    const text = JSON.stringify(said);
    response.setHeader("Content-Length", Buffer.byteLength(text));
    return end(text, ...more);
  };
}

createServer(async (request, response) => {
  try {
    if (request.url === "/_simulator/next") {
      next = JSON.parse(await read(request));
      return response.end("{}");
    }
    const base = Object.keys(serve).find((one) => request.url.startsWith(`${one}/`));
    if (!base) return response.writeHead(404).end();
    let path = request.url.slice(base.length);
    if (base === PSC && path === "/.well-known/openid-configuration") return response.writeHead(404).end(); // as the real one
    if (path === "/.well-known/wallet-openid-configuration") path = "/.well-known/openid-configuration";
    [request.url, request.originalUrl] = [path, base + path];
    if (path.startsWith("/interaction/")) return await interact(base, base === PSC ? people : locals, request, response);
    spoil(base, path, response);
    return serve[base](request, response);
  } catch (error) {
    process.stderr.write(`${error.stack}\n`);
    return response.writeHead(500).end();
  }
}).listen(port, "127.0.0.1", () => process.stdout.write("ready\n"));
process.stdin.on("end", () => process.exit(0)).resume();
