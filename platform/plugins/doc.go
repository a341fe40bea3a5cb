// Package plugins offers the platform APIs of the programs in a folder. Each
// program is a go-plugin executable in a process of its own; package plugin is
// what its author writes it with, and pluginpb the contract.
//
// It runs in the supervisor. A plugin is the operator's code and runs with the
// operator's rights: it is not confined. It may still crash, hang, flood its
// standard error and answer nonsense, and then only the calls to it fail: a call
// ends with its context whatever the plugin does, a plugin that dies or no
// longer answers is killed and started again, and every message has a bound.
// Nothing that a plugin writes is parsed beyond the handshake's one line, and
// neither a stream nor an address of its choosing is opened.
package plugins
