#include "io/netlink_socket.h"

#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "io/base/status_macros.h"

namespace ballast {
namespace {

// The kernel builds dump messages for the reader's buffer, up to 32 KiB.
constexpr size_t kBufferBytes = 64 * 1024;

}  // namespace

absl::Status NetlinkError(int error, absl::string_view what,
                          absl::string_view explanation) {
  std::string text(what);
  if (!explanation.empty()) absl::StrAppend(&text, " (", explanation, ")");
  // The kernel's word for deleting an address that is not there, which Abseil
  // takes for one that is there already.
  if (error == EADDRNOTAVAIL) return absl::NotFoundError(text);
  return absl::ErrnoToStatus(error, text);
}

NetlinkSocket::NetlinkSocket(UniqueFd fd)
    : fd_(std::move(fd)), buffer_(kBufferBytes) {}

absl::StatusOr<NetlinkSocket> NetlinkSocket::Open(int protocol) {
  UniqueFd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, "netlink socket");
  // Explanations are a comfort, strict dumps a saving; both since 4.20.
  const int on = 1;
  setsockopt(fd.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
  setsockopt(fd.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
  setsockopt(fd.get(), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
  // The answer is there when the send returns; the limit only keeps a bug in
  // either from hanging the control thread.
  const timeval limit{.tv_sec = 5, .tv_usec = 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  return NetlinkSocket(std::move(fd));
}

absl::Status NetlinkSocket::Request(NetlinkBuilder request,
                                    absl::string_view what) {
  request.set_sequence(++sequence_);
  return Exchange(request.bytes(), sequence_, /*dump=*/false, what,
                  [](const NetlinkMessage&) {});
}

absl::Status NetlinkSocket::Query(
    NetlinkBuilder request, absl::string_view what,
    absl::FunctionRef<void(const NetlinkMessage&)> visit) {
  request.set_sequence(++sequence_);
  return Exchange(request.bytes(), sequence_, /*dump=*/true, what, visit);
}

absl::Status NetlinkSocket::Batch(std::span<const uint8_t> batch,
                                  uint32_t last_sequence,
                                  absl::string_view what) {
  sequence_ = last_sequence;
  // It must go out as one datagram; the default room is some 200 KiB.
  const int room = static_cast<int>(batch.size()) + 65536;
  if (setsockopt(fd_.get(), SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) !=
      0) {
    setsockopt(fd_.get(), SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
  }
  return Exchange(batch, last_sequence, /*dump=*/false, what,
                  [](const NetlinkMessage&) {});
}

// Ends at the answer to `sequence`, at a dump's end, or at any refusal. What
// an earlier, abandoned exchange left in the queue has older numbers.
absl::Status NetlinkSocket::Exchange(
    std::span<const uint8_t> bytes, uint32_t sequence, bool dump,
    absl::string_view what,
    absl::FunctionRef<void(const NetlinkMessage&)> visit) {
  // Nothing is owed to us at this point.
  while (recv(fd_.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT) > 0) {
  }
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  if (sendto(fd_.get(), bytes.data(), bytes.size(), 0,
             reinterpret_cast<const sockaddr*>(&kernel), sizeof(kernel)) < 0) {
    return NetlinkError(errno, what, "");
  }
  bool interrupted = false;
  while (true) {
    const ssize_t n = recv(fd_.get(), buffer_.data(), buffer_.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return NetlinkError(errno, what, "no answer");
    std::span<const uint8_t> rest(buffer_.data(), static_cast<size_t>(n));
    while (const auto message = NextNetlinkMessage(rest)) {
      const nlmsghdr& header = message->header;
      if ((header.nlmsg_flags & NLM_F_DUMP_INTR) != 0) interrupted = true;
      if (header.nlmsg_type == NLMSG_ERROR || header.nlmsg_type == NLMSG_DONE) {
        const NetlinkAnswer answer = ReadNetlinkAnswer(*message);
        if (answer.error != 0) {
          return NetlinkError(answer.error, what, answer.explanation);
        }
        if (header.nlmsg_seq != sequence) continue;
        if (!interrupted) return absl::OkStatus();
        return absl::AbortedError(
            absl::StrCat(what, ": the list changed while it was read"));
      }
      visit(*message);
      // A single object comes alone, with no end mark.
      if (dump && (header.nlmsg_flags & NLM_F_MULTI) == 0) {
        return absl::OkStatus();
      }
    }
  }
}

}  // namespace ballast
