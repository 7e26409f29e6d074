#include "lb/l7/forwarding_fields.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace ballast::l7 {
namespace {

// Puts `value` behind what is in all fields of that name, in one field.
void AppendToList(absl::string_view name, absl::string_view value,
                  http::Fields* fields) {
  std::string list;
  for (size_t i = 0; i < fields->size(); ++i) {
    const http::Field field = (*fields)[i];
    if (!absl::EqualsIgnoreCase(field.name, name) || field.value.empty()) {
      continue;
    }
    absl::StrAppend(&list, list.empty() ? "" : ", ", field.value);
  }
  absl::StrAppend(&list, list.empty() ? "" : ", ", value);
  fields->Set(name, list);
}

void SetList(ForwardingFields::List how, absl::string_view name,
             absl::string_view value, http::Fields* fields) {
  if (how == ForwardingFields::List::kAppend) {
    AppendToList(name, value, fields);
  } else if (how == ForwardingFields::List::kReplace) {
    fields->Set(name, value);
  }
}

// RFC 7239 §4: a token, or quoted. A host has no quotes to escape.
std::string QuotedIfNeeded(absl::string_view text) {
  return http::IsToken(text) ? std::string(text)
                             : absl::StrCat("\"", text, "\"");
}

}  // namespace

void AddForwardingFields(const ForwardingFields& settings, const Client& client,
                         http::RequestHead* request) {
  http::Fields* fields = &request->fields;
  const absl::string_view proto = client.tls ? "https" : "http";
  if (settings.x_forwarded_for != ForwardingFields::List::kOff) {
    SetList(settings.x_forwarded_for, "X-Forwarded-For",
            client.address.address.ToString(), fields);
  }
  if (settings.forwarded != ForwardingFields::List::kOff) {
    const Address& address = client.address.address;
    std::string element = absl::StrCat(
        "for=",
        QuotedIfNeeded(address.is_v4()
                           ? address.ToString()
                           : absl::StrCat("[", address.ToString(), "]")),
        ";proto=", proto);
    if (!request->host().empty()) {
      absl::StrAppend(&element, ";host=", QuotedIfNeeded(request->host()));
    }
    SetList(settings.forwarded, "Forwarded", element, fields);
  }
  if (settings.x_forwarded_proto) fields->Set("X-Forwarded-Proto", proto);
  if (settings.x_forwarded_host) {
    if (request->host().empty()) {
      fields->Remove("X-Forwarded-Host");
    } else {
      fields->Set("X-Forwarded-Host", std::string(request->host()));
    }
  }
  AddVia(settings, request);
}

void AddVia(const ForwardingFields& settings, http::MessageHead* message) {
  if (settings.via.empty()) return;
  message->fields.Add(
      "Via", absl::StrCat(message->minor_version == 0 ? "1.0 " : "1.1 ",
                          settings.via));
}

}  // namespace ballast::l7
