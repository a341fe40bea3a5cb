// Package secrets is the platform API secrets: passwords and keys that an
// operator gives to a tenant's functions to use, not to see.
//
// It runs in the supervisor. A function gets a placeholder, which means
// nothing outside this process. When fetch sends a header that holds it,
// Rewrite puts the value in its place, towards the hosts that the secret names
// and no other; the value itself never enters a sandbox. Only a secret that is
// marked so is revealed to functions.
//
// Values are kept encrypted, in a file per tenant, under a key that is not
// kept with them. Each is bound to its tenant, name and hosts: a record moved
// or changed on disk does not decrypt. They are decrypted when they are used
// and not held in memory otherwise. No error, log line or JSON of this package
// holds a value: the type Secret does not print.
//
// What the package trusts is the operator who sets secrets, and the hosts that
// a secret names: one that echoes a request's headers shows the value to the
// function.
package secrets
