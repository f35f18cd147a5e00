-- brought = 2: stands in for somebody who is absent (function: absent:<person>), and leaves once that is over.
CREATE INDEX seat_absence ON seat (until) WHERE brought = 2;
CREATE INDEX seat_absent ON seat (function) WHERE brought = 2;
