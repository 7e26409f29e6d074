#include "io/transparent_replies.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>
#include <netinet/in.h>

#include <array>
#include <vector>

#include "absl/strings/str_cat.h"
#include "io/base/address.h"
#include "io/base/status_macros.h"
#include "io/nft_batch.h"
#include "io/sysctl.h"

namespace ballast {
namespace {

constexpr char kChain[] = "prerouting";
// Where packets are marked for the routing decision (NF_IP_PRI_MANGLE).
constexpr int32_t kPriority = -150;

std::string TableName(uint32_t number) {
  return absl::StrCat("ballast_replies_", number);
}

NftBatch::Finished InstallBatch(const std::string& table) {
  NftBatch batch(NFPROTO_INET);
  batch.AddTable(table, NLM_F_EXCL, NFT_TABLE_F_OWNER);
  batch.Message(NFT_MSG_NEWCHAIN, NLM_F_CREATE)
      .String(NFTA_CHAIN_TABLE, table)
      .String(NFTA_CHAIN_NAME, kChain)
      .Nest(NFTA_CHAIN_HOOK)
      .Value(NFTA_HOOK_HOOKNUM, htonl(NF_INET_PRE_ROUTING))
      .Value(NFTA_HOOK_PRIORITY, htonl(static_cast<uint32_t>(kPriority)))
      .End()
      .String(NFTA_CHAIN_TYPE, "filter")
      .Value(NFTA_CHAIN_POLICY, htonl(NF_ACCEPT));
  constexpr uint8_t kProtocols[] = {IPPROTO_TCP, IPPROTO_ICMP, IPPROTO_ICMPV6};
  for (const uint8_t& protocol : kProtocols) {
    NftRule rule(batch, table, kChain);
    rule.LoadMeta(NFT_META_L4PROTO, NFT_REG32_00);
    rule.RequireEqual(NFT_REG32_00, {&protocol, 1});
    rule.LoadSocket(NFT_SOCKET_TRANSPARENT, NFT_REG32_00);
    constexpr std::array<uint8_t, 1> kYes = {1};
    rule.RequireEqual(NFT_REG32_00, kYes);
    rule.SetMark(TransparentReplies::kMark);
    rule.Count();
  }
  // Of no further effect; it asks for the answer.
  batch.AddTable(table, NLM_F_ACK, NFT_TABLE_F_OWNER);
  batch.MarkAnswered();
  return std::move(batch).Finish();
}

NftBatch::Finished RemoveBatch(const std::string& table) {
  NftBatch batch(NFPROTO_INET);
  batch.DeleteTable(table, NLM_F_ACK);
  batch.MarkAnswered();
  return std::move(batch).Finish();
}

Netlink::Route AllIsLocal(bool v4, uint32_t number, int loopback) {
  Netlink::Route route;
  route.destination.address = v4 ? Address::V4(0) : Address();
  route.ifindex = loopback;
  route.table = TransparentReplies::kTable + number;
  route.local = true;
  return route;
}

RuleInfo Rule(bool v4, uint32_t number) {
  return {.source = {v4 ? Address::V4(0) : Address(), 0},
          .table = TransparentReplies::kTable + number,
          .priority = TransparentReplies::kRulePriority + number,
          .mark = TransparentReplies::kMark};
}

absl::Status NotInThisKernel(const absl::Status& status) {
  return absl::FailedPreconditionError(absl::StrCat(
      status.message(),
      "; needs Linux 5.12 with nf_tables and its socket expression"));
}

absl::Status IgnoreNotFound(absl::Status status) {
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

}  // namespace

absl::StatusOr<std::unique_ptr<TransparentReplies>>
TransparentReplies::Install() {
  constexpr char kValidMark[] = "net/ipv4/conf/all/src_valid_mark";
  const auto valid_mark = ReadSysctl(kValidMark);
  if (valid_mark.ok() && *valid_mark != "0") {
    return absl::FailedPreconditionError(absl::StrCat(
        "sysctl ", kValidMark, " is ", *valid_mark,
        ", must be 0: it refuses servers' packets to their clients"));
  }
  BALLAST_ASSIGN_OR_RETURN(NetlinkSocket nft,
                           NetlinkSocket::Open(NETLINK_NETFILTER));
  BALLAST_ASSIGN_OR_RETURN(Netlink netlink, Netlink::Open());
  // From here on the destructor undoes what was done.
  std::unique_ptr<TransparentReplies> replies(
      new TransparentReplies(std::move(nft), std::move(netlink)));
  // Without the right to, "not permitted"; else there is no such table. After
  // this, not permitted means that it is another's.
  BALLAST_RETURN_IF_ERROR(
      IgnoreNotFound(replies->Run(RemoveBatch("ballast_replies"), "probe")));
  for (uint32_t number = 0; number < kInstancesMax; ++number) {
    const std::string table = TableName(number);
    const absl::Status taken = replies->Run(InstallBatch(table), table);
    if (absl::IsPermissionDenied(taken) || absl::IsAlreadyExists(taken)) {
      continue;
    }
    if (absl::IsNotFound(taken)) return NotInThisKernel(taken);
    BALLAST_RETURN_IF_ERROR(taken);
    // Whoever had this number is gone.
    BALLAST_RETURN_IF_ERROR(replies->RemoveRules(number));
    if (replies->number_ == kInstancesMax) {
      replies->number_ = number;
      BALLAST_RETURN_IF_ERROR(replies->AddRules(number));
    } else {
      BALLAST_RETURN_IF_ERROR(replies->Run(RemoveBatch(table), table));
    }
  }
  if (replies->number_ == kInstancesMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat("transparent replies: ", kInstancesMax,
                     " other instances in this network namespace"));
  }
  return replies;
}

absl::Status TransparentReplies::Run(const NftBatch::Finished& batch,
                                     absl::string_view what) {
  absl::Status status =
      nft_.Batch(batch.bytes, batch.last_sequence,
                 absl::StrCat("transparent replies: nf_tables ", what));
  if (absl::IsInvalidArgument(status) || absl::IsUnimplemented(status)) {
    return NotInThisKernel(status);
  }
  return status;
}

absl::Status TransparentReplies::AddRules(uint32_t number) {
  BALLAST_ASSIGN_OR_RETURN(const LinkInfo loopback, netlink_.Link("lo"));
  for (const bool v4 : {true, false}) {
    BALLAST_RETURN_IF_ERROR(
        netlink_.SetRoute(AllIsLocal(v4, number, loopback.index)));
    BALLAST_RETURN_IF_ERROR(netlink_.AddRule(Rule(v4, number)));
  }
  return absl::OkStatus();
}

absl::Status TransparentReplies::RemoveRules(uint32_t number) {
  BALLAST_ASSIGN_OR_RETURN(const std::vector<RuleInfo> rules,
                           netlink_.Rules(kTable + number));
  for (const RuleInfo& rule : rules) {
    if (rule.priority != kRulePriority + number) continue;
    BALLAST_RETURN_IF_ERROR(IgnoreNotFound(netlink_.DeleteRule(rule)));
  }
  BALLAST_ASSIGN_OR_RETURN(const LinkInfo loopback, netlink_.Link("lo"));
  for (const bool v4 : {true, false}) {
    BALLAST_RETURN_IF_ERROR(IgnoreNotFound(
        netlink_.DeleteRoute(AllIsLocal(v4, number, loopback.index))));
  }
  return absl::OkStatus();
}

TransparentReplies::~TransparentReplies() {
  // Nobody is left to tell of a failure; the next Install() finds what stays.
  // The table goes with the socket.
  if (number_ < kInstancesMax) RemoveRules(number_).IgnoreError();
}

}  // namespace ballast
