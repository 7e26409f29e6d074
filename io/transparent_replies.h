// Has the host's stack take what servers send to connections that this host
// made from a client's address (IP_TRANSPARENT): it is addressed to somebody
// else, and would be forwarded or dropped.
//
//   nf_tables   before routing, packets that belong to a transparent socket of
//               this host, and ICMP errors about them, get a mark
//   a rule      sends marked packets to a table of its own,
//   a route     in which every destination is this host
//
// Nothing else is touched: a packet without a socket has no mark, so what
// servers send through this host as their gateway goes on as before. It does
// not matter by which link it came.
//
// The nf_tables table belongs to the process (NFT_TABLE_F_OWNER) and ends with
// it, however it ends; it also reserves one of kInstancesMax numbers, by which
// a rule and a route left by a process that was killed are found and removed.
//
// Errors   kPermissionDenied     without CAP_NET_ADMIN
//          kFailedPrecondition   a kernel older than 5.12 or without
//                                nf_tables' socket expression; src_valid_mark
//                                set, which refuses marked packets
//          kResourceExhausted    kInstancesMax others run in this namespace
// Cost     a lookup of the socket for each TCP packet that arrives, once more
//          than the stack does anyway.
// Threads  one at a time. Works in the namespace of the thread that created it.
// Source   Linux Documentation/networking/tproxy.rst.
#ifndef IO_TRANSPARENT_REPLIES_H_
#define IO_TRANSPARENT_REPLIES_H_

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "io/netlink.h"
#include "io/netlink_socket.h"
#include "io/nft_batch.h"

namespace ballast {

class TransparentReplies {
 public:
  static constexpr uint32_t kInstancesMax = 16;
  static constexpr uint32_t kMark = 0x0ba11a57;
  // Of the first instance; the next ones follow.
  static constexpr uint32_t kTable = 66256;
  static constexpr uint32_t kRulePriority = 16256;

  static absl::StatusOr<std::unique_ptr<TransparentReplies>> Install();
  // Removes everything.
  ~TransparentReplies();
  TransparentReplies(const TransparentReplies&) = delete;
  TransparentReplies& operator=(const TransparentReplies&) = delete;

 private:
  TransparentReplies(NetlinkSocket nft, Netlink netlink)
      : nft_(std::move(nft)), netlink_(std::move(netlink)) {}
  absl::Status Run(const NftBatch::Finished& batch, absl::string_view what);
  absl::Status AddRules(uint32_t number);
  absl::Status RemoveRules(uint32_t number);

  NetlinkSocket nft_;
  Netlink netlink_;
  uint32_t number_ = kInstancesMax;  // Until one is taken.
};

}  // namespace ballast

#endif  // IO_TRANSPARENT_REPLIES_H_
