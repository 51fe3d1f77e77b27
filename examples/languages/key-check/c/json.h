// As much JSON as a flat configuration needs.

#ifndef JSON_H
#define JSON_H

// The text under `name` in an object of texts, decoded and allocated; NULL where there is none.
char *json_string(const char *json, const char *name);

#endif
