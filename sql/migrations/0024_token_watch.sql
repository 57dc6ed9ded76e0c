-- A token that somebody watches: how many hosts it is for, who has come with it, and the last one that came in vain.

ALTER TABLE enrolment_tokens ADD COLUMN uses INT NOT NULL DEFAULT 0;
ALTER TABLE enrolment_tokens ADD COLUMN refused_at BIGINT;
ALTER TABLE enrolment_tokens ADD COLUMN refused_host VARCHAR(255) NOT NULL DEFAULT '';
ALTER TABLE enrolment_tokens ADD COLUMN refused_ip VARCHAR(64) NOT NULL DEFAULT '';
ALTER TABLE enrolment_tokens ADD COLUMN refused_why VARCHAR(255) NOT NULL DEFAULT '';
UPDATE enrolment_tokens SET uses = uses_left + (SELECT COUNT(DISTINCT c.node_id) FROM node_certificates c WHERE c.token_id = enrolment_tokens.id);

CREATE INDEX node_certificates_by_token ON node_certificates (token_id);
