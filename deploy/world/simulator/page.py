"""The page of a simulated product: who is here, what came and went, and a line to write."""

PAGE = """\
<!doctype html>
<html lang="fr">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{name}} – simulateur</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 0 1rem 3rem; }
  header { background: #7a4a00; color: #fff; margin: 0 -1rem 1rem; padding: .5rem 1rem; }
  h1 { font-size: 1.2rem; margin: 0; }
  table { border-collapse: collapse; width: 100%; }
  th, td { border-bottom: 1px solid #ccc; padding: .3rem .5rem; text-align: left; vertical-align: top; }
  form { display: flex; flex-wrap: wrap; gap: .5rem; margin: .5rem 0 1rem; }
  input, select, button { font: inherit; padding: .3rem; }
  input[name=text] { flex: 1 1 20rem; }
  .muted { color: #555; }
</style>
<header><h1>{{name}} – simulateur / simulator</h1>
Ce n'est pas le logiciel de l'éditeur : une simulation pour la démonstration et les tests.</header>
<form id="write">
  <label>De <select name="user"></select></label>
  <label>Conversation <select name="conversation"><option value="">nouvelle</option></select></label>
  <input name="to" placeholder="À : rpps:…, matrix:@…, siilo:…" aria-label="Destinataires">
  <input name="text" placeholder="Votre message" aria-label="Message">
  <input name="files" type="file" multiple aria-label="Fichiers">
  <button>Envoyer</button>
</form>
<p id="note" class="muted" role="status"></p>
<ul id="users" class="muted"></ul>
<table><thead><tr><th>Heure</th><th>Qui</th><th>Message</th><th>État</th></tr></thead><tbody id="list"></tbody></table>
<p class="muted">API : <code>curl http://…/</code> (JSON). The API is described at this address as JSON.</p>
<script>
const form = document.getElementById("write"), list = document.getElementById("list");
const note = document.getElementById("note");
const states = { waiting: "en attente", accepted: "accepté", sent: "envoyé", arrived: "reçu", delivered: "remis",
  read: "lu", refused: "refusé" };
const standings = { active: "actif", held: "en attente : un autre produit a déjà ce professionnel", refused: "refusé" };
const get = async (path) => (await fetch(path)).json();
function fill(select, values) {
  for (const value of values)
    if (![...select.options].some((option) => option.value === value)) select.add(new Option(value, value));
}
function row(message) {
  const tr = document.createElement("tr");
  const who = message.sender.name ? message.sender.name : message.sender;
  const time = new Date(message.at).toLocaleTimeString("fr");
  for (const text of [time, who, message.text, states[message.state] || message.state])
    tr.appendChild(document.createElement("td")).textContent = text;
  for (const file of message.files || []) {
    const link = document.createElement("a");
    link.href = `files/${encodeURIComponent(file.id)}`;
    link.textContent = `📎 ${file.name} (${Math.ceil(file.size / 1024)} Kio)`;
    tr.cells[2].append(document.createElement("br"), link);
  }
  return tr;
}
function account(user) {
  const li = document.createElement("li");
  li.textContent = `${user.id} : ${standings[user.state] || "pas encore déclaré"}`;
  for (const other of user.contests.filter((one) => one.state === "held")) {
    li.append(` – ${other.label} déclare aussi ce professionnel : est-ce vous ? `);
    for (const [decision, said] of [["accept", "Oui"], ["refuse", "Non"]]) {
      const button = document.createElement("button");
      button.textContent = said;
      button.onclick = () => fetch(`users/${encodeURIComponent(user.id)}/confirm`, { method: "POST",
        body: JSON.stringify({ product: other.product, decision }), headers: { "Content-Type": "application/json" } });
      li.append(button);
    }
  }
  return li;
}
async function wire(file) {
  const url = await new Promise((done) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.readAsDataURL(file);
  });
  return { name: file.name, type: file.type || "application/octet-stream", content: url.split(",")[1] || "" };
}
async function show() {
  try {
    const { users } = await get("users");
    const { arrived, sent } = await get("messages");
    fill(form.user, users.map((user) => user.id));
    document.getElementById("users").replaceChildren(...users.map(account));
    const all = [...arrived, ...sent].sort((a, b) => b.seq - a.seq);
    fill(form.conversation, all.map((message) => message.conversation));
    list.replaceChildren(...all.slice(0, 100).map(row));
  } catch (error) { note.textContent = "Le simulateur ne répond pas."; }
}
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = { text: form.text.value };
  if (form.files.files.length) body.files = await Promise.all([...form.files.files].map(wire));
  if (form.conversation.value) body.conversation = form.conversation.value;
  if (form.to.value) body.to = form.to.value.split(/[ ,]+/).filter(Boolean);
  const answer = await fetch(`users/${encodeURIComponent(form.user.value)}/messages?wait=5`, {
    method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
  const told = await answer.json();
  note.textContent = told.problem ? told.problem.detail : told.error || "";
  if (answer.ok) { fill(form.conversation, [told.conversation]); form.conversation.value = told.conversation; }
  form.text.value = form.files.value = "";
  show();
});
show();
setInterval(show, 1500);
</script>
</html>
"""
