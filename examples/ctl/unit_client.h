// Asks the ballastd whose control socket a call names.
//
// Errors   as AskControlSocket() (examples/control_socket.h), and
//          kFailedPrecondition  the unit refused: its words
// Threads  blocks, as long as it has patience for.
#ifndef EXAMPLES_CTL_UNIT_CLIENT_H_
#define EXAMPLES_CTL_UNIT_CLIENT_H_

#include <google/protobuf/message.h>

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "examples/ctl/command.h"
#include "lb/admin/v1.pb.h"

namespace ballast::ctl {

// Between two pieces of an answer.
inline constexpr absl::Duration kUnitPatience = absl::Seconds(30);

// --socket, else BALLAST_SOCKET, else where it usually is.
std::string SocketOf(const Call& call);

// A command of daemon_commands.h.
absl::StatusOr<std::string> AskUnit(const Call& call, absl::string_view command,
                                    absl::Duration patience = kUnitPatience);

// A reply of the unit's own API, whatever its status.
struct ApiReply {
  uint16_t status = 0;
  std::string json;
  // OK with status 200.
  absl::Status ToStatus() const;
};
absl::StatusOr<ApiReply> GetApi(const Call& call, absl::string_view path,
                                absl::Duration patience = kUnitPatience);
absl::StatusOr<ApiReply> PostApi(const Call& call, absl::string_view path,
                                 const google::protobuf::Message& order);

// `json` as a message; fields that only a later unit has do no harm.
absl::Status ReadJson(absl::string_view json,
                      google::protobuf::Message* message);

// /v1/status.
absl::StatusOr<admin::proto::Status> GetStatus(
    const Call& call, absl::Duration patience = kUnitPatience);

// With --json the reply as it is, else `text` if it is good.
absl::StatusOr<Output> OutputOf(const Call& call, const ApiReply& reply,
                                std::string text);

}  // namespace ballast::ctl

#endif  // EXAMPLES_CTL_UNIT_CLIENT_H_
