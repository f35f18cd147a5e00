-- The message that gave the conversation its picture, or took it away: of several on their way the last one is shown.
ALTER TABLE conversation ADD COLUMN pictured TEXT;
