// Package config reads the YAML files of the daemons, strictly: an unknown key, a duplicate, a wrong type or a value
// that makes no sense is an error with file:line:column, the line itself and a caret, and all of them are reported
// at once.
//
//	text ──yaml.go──▶ value tree ──decode.go, ks.go, gm.go──▶ KS or GM ──node.go──▶ node.KSConfig or node.GMConfig
//	     (the one file that knows                (places, types,
//	      the YAML library)                       ranges, secrets)
//
// A file that loads is complete: defaults are filled in, secret files are read (relative to the configuration file)
// and rules are parsed. Effective prints the result without secrets.
package config
