// What the persistence modes look at of a request or a response: views into
// whatever the caller has parsed it to. They live for one call.
#ifndef PERSIST_REQUEST_VIEW_H_
#define PERSIST_REQUEST_VIEW_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "io/base/address.h"

namespace ballast::persist {

// Shows the value, without blanks around it, of each field of that name (in any
// letter case) in the order of the message.
using FieldVisitor = absl::FunctionRef<void(absl::string_view value)>;
using FieldLookup =
    absl::FunctionRef<void(absl::string_view name, FieldVisitor visit)>;

// An HTTP request, strictly parsed: no control characters, no folding.
struct RequestView {
  absl::string_view method;
  absl::string_view target;  // As received, in any of its forms.
  absl::string_view host;    // With its port, if it has one. Empty: none.
  FieldLookup fields;
  Address client;
};

// The client's first message of a TLS connection that passes through.
struct ClientHelloView {
  std::span<const uint8_t> session_id;  // 0..32 bytes
  absl::string_view server_name;        // SNI; empty: none.
  bool offers_tls13 = false;            // By supported_versions.
  Address client;
};

struct ServerHelloView {
  std::span<const uint8_t> session_id;
  bool is_tls13 = false;  // What was agreed.
};

// A plain list as a FieldLookup: for tests, and for who has nothing better.
// Keep it longer than the view.
class FieldList {
 public:
  using Field = std::pair<std::string, std::string>;

  explicit FieldList(std::vector<Field> fields) : fields_(std::move(fields)) {}
  void operator()(absl::string_view name, FieldVisitor visit) const {
    for (const Field& field : fields_) {
      if (absl::EqualsIgnoreCase(field.first, name)) visit(field.second);
    }
  }

 private:
  std::vector<Field> fields_;
};

}  // namespace ballast::persist

#endif  // PERSIST_REQUEST_VIEW_H_
