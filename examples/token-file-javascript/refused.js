// Why there is no token. What is thrown has the form of the contract's `refusal`, and goes to flytoken as it is.
//
// The text is shown to people: one sentence, lower case, without a full stop and without any part of a token.

// Nothing here is meant for this app; the next source is asked.
export const absent = (text) => ({ tag: 'absent', val: text });

// This source may answer later; the next one is asked, and this one left alone for a while.
export const unavailable = (text) => ({ tag: 'unavailable', val: text });

// Somebody has to do something first: type `command`, or open `url`.
export const needsHuman = (text, { command, url } = {}) => ({ tag: 'needs-human', val: { text, command, url } });

// Its settings or grants are wrong, and asking again will not help.
export const misconfigured = (text) => ({ tag: 'misconfigured', val: text });
