# Power of one block in OpenSTA, with the activity that was counted on its netlist.
#
#   NETLIST=weight_block ACTIVITY=weight_block.saif LIBERTY=/path/to/cells.lib PERIOD=4 sta -exit power.tcl
#
# LIBERTY: the library that the netlist is mapped to; several files with spaces between. PERIOD: of the clock,
# in the library's unit of time. To be run in the folder that holds netlist and activity.

# Versions before 2024 have no read_saif. This reads the pins that our files hold. Those versions then replace
# the activity of logic reached from an input port without a register between by what they propagate from there
# themselves, and take it for logic without a clock where the port has no input delay.
proc read_saif_pins {file} {
  set stream [open $file]
  set text [read $stream]
  close $stream
  # A SAIF file is a nested list in other brackets.
  set saif [lindex [string map {( \{ ) \}} $text] 0]
  foreach item $saif {
    switch [lindex $item 0] {
      TIMESCALE { set seconds [expr {[lindex $item 1] * ([lindex $item 2] eq "ps" ? 1e-12 : 1e-9)}] }
      DURATION { set duration [lindex $item 1] }
      INSTANCE { set top $item }
    }
  }
  set cycles [expr {$duration * $seconds / [sta::time_ui_sta $::env(PERIOD)]}]
  set ports {}
  foreach port [all_inputs] { lappend ports [get_property $port full_name] }
  foreach port [lsearch -all -inline -not -exact $ports clk] { set_input_delay 0 -clock clock [get_ports $port] }
  foreach part [lrange $top 2 end] {
    if {[lindex $part 0] eq "NET"} {
      foreach net [lrange $part 1 end] {
        if {[lsearch -exact $ports [lindex $net 0]] >= 0} {
          sta::set_power_input_port_activity [get_ports [lindex $net 0]] {*}[saif_figures $net $duration $cycles]
        }
      }
    } else {
      foreach pin [lrange [lindex $part 2] 1 end] {
        sta::set_power_pin_activity [get_pins [lindex $part 1]/[lindex $pin 0]] \
          {*}[saif_figures $pin $duration $cycles]
      }
    }
  }
}

# Changes a cycle, and the share of time at 1.
proc saif_figures {net duration cycles} {
  foreach entry [lrange $net 1 end] { set value([lindex $entry 0]) [lindex $entry 1] }
  return [list [expr {$value(TC) / $cycles}] [expr {double($value(T1)) / $duration}]]
}

foreach file [split $env(LIBERTY)] { read_liberty $file }
read_verilog $env(NETLIST).v
link_design $env(NETLIST)
create_clock -name clock -period $env(PERIOD) clk
if {[llength [info commands read_saif]]} {
  read_saif -scope $env(NETLIST) $env(ACTIVITY)
} else {
  read_saif_pins $env(ACTIVITY)
}
report_power -digits 6
