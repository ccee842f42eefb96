// An input stream of the tile: rows of one pass, a row offered in each cycle.
module source #(
    parameter WIDTH = 1,
    parameter ROWS = 1,
    parameter FILE = ""
) (
    input  logic             clk,
    input  logic             rst,
    input  logic             start,
    input  logic [127:0]     job,
    output logic             valid,
    output logic [WIDTH-1:0] payload,
    input  logic             ready
);
    logic [WIDTH-1:0] memory [ROWS];
    logic [31:0] row, left, sent, turn;
    wire [31:0] first = job[31:0], rows = job[63:32], block = job[95:64], repeats = job[127:96];

    initial $readmemh(FILE, memory);

    assign valid = left != 0;
    assign payload = memory[row];

    always_ff @(posedge clk) begin
        if (rst) begin
            left <= 0;
        end else if (start) begin
            row <= first;
            left <= rows * repeats;
            sent <= 0;
            turn <= 0;
        end else if (valid && ready) begin
            left <= left - 1;
            row <= row + 1;
            sent <= sent + 1;
            if (sent == block - 1) begin
                sent <= 0;
                turn <= turn + 1;
                if (turn == repeats - 1) turn <= 0;
                else row <= row + 1 - block;
            end
        end
    end
endmodule
