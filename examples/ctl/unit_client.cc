#include "examples/ctl/unit_client.h"

#include <google/protobuf/util/json_util.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "examples/control_socket.h"
#include "io/base/status_macros.h"

namespace ballast::ctl {
namespace {

constexpr char kUsualSocket[] = "/run/ballast/control";
constexpr char kUsualStateSocket[] = "/var/lib/ballast/control";

absl::StatusOr<ApiReply> AskApi(const Call& call, absl::string_view question,
                                absl::Duration patience) {
  BALLAST_ASSIGN_OR_RETURN(
      const std::string said,
      AskUnit(call, absl::StrCat("v1 ", question), patience));
  const size_t blank = said.find(' ');
  uint32_t status = 0;
  if (blank == std::string::npos ||
      !absl::SimpleAtoi(absl::string_view(said).substr(0, blank), &status)) {
    return absl::InternalError("the unit's reply has no status");
  }
  return ApiReply{static_cast<uint16_t>(status), said.substr(blank + 1)};
}

google::protobuf::StringPiece Piece(absl::string_view text) {
  return {text.data(), text.size()};
}

}  // namespace

std::string SocketOf(const Call& call) {
  if (call.Has("--socket")) return std::string(call.Value("--socket", ""));
  const char* const wanted = std::getenv("BALLAST_SOCKET");
  if (wanted != nullptr && *wanted != '\0') return wanted;
  const bool other =
      access(kUsualSocket, F_OK) != 0 && access(kUsualStateSocket, F_OK) == 0;
  return other ? kUsualStateSocket : kUsualSocket;
}

absl::StatusOr<std::string> AskUnit(const Call& call, absl::string_view command,
                                    absl::Duration patience) {
  auto said = AskControlSocket(SocketOf(call), command, patience);
  if (absl::IsNotFound(said.status())) {
    return absl::NotFoundError(absl::StrCat(
        said.status().message(),
        "\nIs ballastd running, with a state_dir? Its socket is the file "
        "\"control\" there: --socket PATH."));
  }
  if (absl::IsPermissionDenied(said.status())) {
    return absl::PermissionDeniedError(
        absl::StrCat(said.status().message(),
                     "\nOnly the user that ballastd runs as, and root, may."));
  }
  return said;
}

absl::Status ApiReply::ToStatus() const {
  if (status == 200) return absl::OkStatus();
  admin::proto::Error error;
  if (!ReadJson(json, &error).ok() || error.error().empty()) {
    error.set_error(absl::StrCat("status ", status));
  }
  return absl::FailedPreconditionError(error.error());
}

absl::StatusOr<ApiReply> GetApi(const Call& call, absl::string_view path,
                                absl::Duration patience) {
  return AskApi(call, absl::StrCat("GET ", path), patience);
}

absl::StatusOr<ApiReply> PostApi(const Call& call, absl::string_view path,
                                 const google::protobuf::Message& order) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string json;
  (void)google::protobuf::util::MessageToJsonString(order, &json, options);
  return AskApi(call, absl::StrCat("POST ", path, " ", json), kUnitPatience);
}

absl::Status ReadJson(absl::string_view json,
                      google::protobuf::Message* message) {
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  const auto status = google::protobuf::util::JsonStringToMessage(
      Piece(json), message, options);
  if (status.ok()) return absl::OkStatus();
  return absl::InternalError(absl::StrCat(
      "the unit's reply: ",
      absl::string_view(status.message().data(), status.message().size())));
}

absl::StatusOr<admin::proto::Status> GetStatus(const Call& call,
                                               absl::Duration patience) {
  BALLAST_ASSIGN_OR_RETURN(const ApiReply reply,
                           GetApi(call, "/v1/status", patience));
  BALLAST_RETURN_IF_ERROR(reply.ToStatus());
  admin::proto::Status status;
  BALLAST_RETURN_IF_ERROR(ReadJson(reply.json, &status));
  return status;
}

absl::StatusOr<Output> OutputOf(const Call& call, const ApiReply& reply,
                                std::string text) {
  const absl::Status status = reply.ToStatus();
  if (!call.Has("--json")) {
    if (!status.ok()) return status;
    return Output(std::move(text));
  }
  Output output(absl::StrCat(reply.json, "\n"));
  output.failed = !status.ok();
  return output;
}

}  // namespace ballast::ctl
