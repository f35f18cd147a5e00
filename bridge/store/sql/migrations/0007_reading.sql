-- A receipt covers what went to its own network: what was looked at is noted for each network of a person.
CREATE TABLE looked_at (
  conversation TEXT NOT NULL, person TEXT NOT NULL, network TEXT NOT NULL, pos BIGINT NOT NULL,
  PRIMARY KEY (conversation, person, network)
);
INSERT INTO looked_at (conversation, person, network, pos)
SELECT m.conversation, r.person, r.network,
       COALESCE(MIN(CASE WHEN r.state IN ('accepted', 'sent', 'delivered') THEN m.pos END) - 1, MAX(m.pos))
FROM recipient r JOIN message m ON m.id = r.message GROUP BY m.conversation, r.person, r.network;
INSERT INTO looked_at (conversation, person, network, pos)
SELECT o.conversation, o.person, o.network,
       COALESCE((SELECT MAX(m.pos) FROM message m WHERE m.conversation = o.conversation), 0)
FROM member o WHERE NOT EXISTS
  (SELECT 1 FROM looked_at l WHERE l.conversation = o.conversation AND l.person = o.person AND l.network = o.network);
DROP TABLE reading;
