-- What new attempts may cost, taken out of a campaign's budget before they are sent: by one worker at a time.
CREATE TABLE reservations (
  campaign text NOT NULL REFERENCES campaigns ON DELETE CASCADE, address text NOT NULL, attempt integer NOT NULL,
  video double precision NOT NULL, image double precision NOT NULL, usd double precision NOT NULL,
  PRIMARY KEY (campaign, address, attempt));
