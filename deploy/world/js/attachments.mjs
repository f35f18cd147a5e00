// Files of encrypted rooms (Matrix specification, "Sending encrypted attachments"): AES-256-CTR, SHA-256 over the
// ciphertext. The SDK leaves this to its applications.
import { createDecipheriv, createCipheriv, createHash, randomBytes } from "node:crypto";

const unpadded = (buffer) => buffer.toString("base64").replace(/=+$/, "");
const hash = (buffer) => unpadded(createHash("sha256").update(buffer).digest());

function encrypt(plain) {
  const key = randomBytes(32);
  const iv = Buffer.concat([randomBytes(8), Buffer.alloc(8)]);
  const cipher = createCipheriv("aes-256-ctr", key, iv);
  const data = Buffer.concat([cipher.update(plain), cipher.final()]);
  const jwk = { kty: "oct", alg: "A256CTR", ext: true, k: key.toString("base64url"), key_ops: ["encrypt", "decrypt"] };
  return { data, file: { v: "v2", key: jwk, iv: unpadded(iv), hashes: { sha256: hash(data) } } };
}

function decrypt(data, { key, iv, hashes }) {
  if (hash(data) !== hashes.sha256.replace(/=+$/, "")) throw new Error("the file is not what its sender hashed");
  const decipher = createDecipheriv("aes-256-ctr", Buffer.from(key.k, "base64url"), Buffer.from(iv, "base64"));
  return Buffer.concat([decipher.update(data), decipher.final()]);
}

// Upload a file and give back the content of its message.
export async function upload(client, { base64, name, mimetype, msgtype, encrypted }) {
  const plain = Buffer.from(base64, "base64");
  const content = { msgtype, body: name, filename: name, info: { mimetype, size: plain.length } };
  if (!encrypted) {
    const { content_uri: url } = await client.uploadContent(plain, { name, type: mimetype });
    return { ...content, url };
  }
  const { data, file } = encrypt(plain);
  const { content_uri: url } = await client.uploadContent(data, { type: "application/octet-stream", includeFilename: false });
  return { ...content, file: { ...file, url } };
}

// The bytes of a file message, in base64.
export async function download(client, { content }) {
  const url = client.mxcUrlToHttp(content.file?.url ?? content.url, undefined, undefined, undefined, false, true, true);
  const answer = await fetch(url, { headers: { Authorization: `Bearer ${client.getAccessToken()}` } });
  if (!answer.ok) throw Object.assign(new Error(`download: ${answer.status}`), { httpStatus: answer.status });
  const data = Buffer.from(await answer.arrayBuffer());
  return (content.file ? decrypt(data, content.file) : data).toString("base64");
}
