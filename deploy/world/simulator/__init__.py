"""A simulator of a vendor's chat product: the far end of Liaison Connect in the tests and in the demo.

It is labelled as one wherever it shows itself: no vendor's software is in it. It speaks Liaison Connect as a product
would: it checks the signature and the age of every webhook, keeps what it takes on disk before it answers, answers a
repeated ``webhook-id`` without taking it twice, and repeats its own posts under the same id until the hub has answered.

    python -m deploy.world.simulator --name pandalab --port 8100 --hub http://127.0.0.1:8080 \\
        --token … --secret whsec_… [--state pandalab.db]

With ``--test-token`` it has a test driver at ``/liaison-test`` (docs/connect/conformance.md).

Its own HTTP API has no authentication and belongs on the loopback interface; pages of other sites may not use it.
Bodies and answers are JSON; times are RFC 3339; an error is ``{"error": …}``.

``GET /``
    For a browser (``Accept: text/html``) the product's users, each with a page of their own at ``/u/{id}``: there they
    read and write, in French or English. Else this description as JSON.
``POST /users`` ``{"id": "cleo", "rpps": "10000000003"}``
    Makes a user and declares it to the hub. 200 with what the hub answered, 202 if the hub has not answered in 10 s
    (it is tried until it does), else the hub's refusal.
``GET /users``
    All users with ``declared``: true, false (refused) or null (not yet); ``state``: ``active``, ``held`` (another
    product has this professional) or ``refused``; ``contests``: the other products that declare this professional
    (``product``, ``label``, ``state``, ``at``).
``POST /users/{id}/confirm`` ``{"product": …, "decision": "accept" | "refuse"}``
    The user says whether their account in another product is theirs; gives what the hub answered.
``POST /users/{id}/messages`` ``{"text": …, "to"?: [handles], "conversation"?, "kind"?, "html"?, "reply_to"?,
``"thread"?, "id"?, "files"?: [{"name", "type", "content": base64, "sha256"?}]}``
    Writes as that user; ``text`` may be left out when there are files. Without ``conversation`` a new one begins. 202
    with ``{"id", "conversation", "state": "waiting"}``; it goes to the hub in the order written, conversation by
    conversation, until the hub takes it. ``?wait=5`` waits up to so many seconds for the hub's answer and gives the
    message with its state.
``POST /users/{id}/edits``, ``…/removals``, ``…/reactions`` ``{"message": id, "text"?, "html"?, "key"?}``
    The user corrects a message, takes one (or a reaction) back, or reacts to one (``key``: an emoji). ``?wait=5`` as
    above, with the hub's answer. What was done shows in the message: ``text``, ``edited`` (how often), ``removed``,
    ``reactions``.
``PUT /capabilities`` ``{"kinds": ["edit", "removal", "reaction"]}``
    Declares to the hub what the product is able to; it is able to nothing of that before.
``GET /messages``, ``GET /users/{id}/messages`` (``?after=seq``)
    ``{"arrived": […], "sent": […]}`` in order, of all or of one user. Each has ``seq`` (order here), ``id`` (the
    product's), ``message`` (the hub's), ``conversation``, ``text``, ``files`` (as in ``GET /files``), ``sent_at``,
    ``at`` (arrived, or written) and ``state``; arrived ones ``sender``, ``recipients`` (users here), ``order`` and
    ``webhook_id``; sent ones ``sender``, ``outcome`` (per recipient, as told by the hub) and ``problem`` (if refused).
    States of sent ones: ``waiting`` (not yet at the hub), ``accepted``, ``sent``, ``delivered``, ``read``, ``refused``.
``GET /messages/{id}``
    One of them.
``GET /files`` (``?message=id``)
    Every file that arrived or was written: ``id``, ``message`` (the product's id), ``name``, ``type``, ``size``,
    ``sha256``.
``GET /files/{id}``
    Its bytes.
``GET /conversations``
    Conversations with their members and name, as the hub told.
``POST /conversations/{id}/name`` ``{"by": user, "name": {"text", "about_patient"} or null}``
    Gives a conversation a name; in the order of its messages.
``POST /conversations/{id}/members`` ``{"by": user, "add"?: [handles], "remove"?: [handles]}``
    Changes who is in a conversation; goes to the hub in the order of the conversation's messages.
``POST /users/{id}/read`` ``{"message": id}``, ``POST /users/{id}/typing`` ``{"conversation": id, "typing"?: true}``
    The user has read up to a message; the user types.
``GET /typing``
    Who typed lately, as the hub told.
``GET /events`` (``?after=seq``)
    Every webhook call: ``seq``, ``webhook_id``, ``type``, ``at``, ``outcome`` (``taken``, ``repeat``,
    ``bad_signature``, ``bad_time``, ``bad_body`` or the fault played), ``body`` (files without content); and the
    counts ``taken``, ``repeats``, ``rejected``.
``GET /posts``
    Everything that goes to the hub: ``state`` (waiting, done, refused), ``attempts``, ``status``, ``differing`` (true
    when a post that was sent twice got two different answers).
``GET /faults``, ``PUT /faults``
    Switches faults; what is not given is off. ``slow_ms`` (answers late), ``down`` (closes connections unanswered),
    ``status_5xx`` (part of webhooks answered with 503, 0 to 1), ``retry_after`` (seconds, said with it), ``refuse``
    (answers 422), ``duplicate`` (sends its own posts twice), ``reorder`` (answers webhooks and sends receipts after
    random delays, so that they overtake each other), ``lose_answer`` (part of webhooks taken, then the connection
    is dropped), ``same_id`` (answers every message with one id).
"""

from deploy.world.simulator.product import Faults, Simulator

__all__ = ["Faults", "Simulator"]
