-- How much output of a command is stored: what a host may send is bounded.

ALTER TABLE commands ADD COLUMN output_bytes BIGINT NOT NULL DEFAULT 0;
